"""Hopyard: put a Python model into production.

    from hopyard import model, serving

    model.export("iris/", "iris", metrics={"accuracy": 0.97})
    serving.create_or_update("iris", "Models/iris/1/predictor.py")
    serving.start("iris")
    serving.make_inference_request("iris", {"instances": [[5.1, 3.5, 1.4, 0.2]]})

The names below load on first use: a replica imports this package too, and must not pay for an HTTP client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hopyard import model, serving
    from hopyard.client import Client, HopyardError, ServingFailed, connect

__all__ = ["Client", "HopyardError", "ServingFailed", "connect", "model", "serving"]


def __getattr__(name: str) -> Any:
    if name in ("model", "serving"):
        return import_module(f"hopyard.{name}")
    if name in __all__:
        return getattr(import_module("hopyard.client"), name)
    raise AttributeError(f"module 'hopyard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
