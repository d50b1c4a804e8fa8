"""A stand-in for Ray, as far as scripts that deploy models with Ray Serve use it: the server has the processes."""

import logging
from typing import Any

from . import serve

__all__ = ["init", "is_initialized", "serve", "shutdown"]

log = logging.getLogger(__name__)


def init(*args: Any, **settings: Any) -> dict[str, Any]:
    """Accept what a cluster would be told; there is one machine, and its replicas share it."""
    log.info(
        "ray.init(%s): replicas run on this machine.", ", ".join(f"{k}={v}" for k, v in settings.items())
    )
    return {}


def is_initialized() -> bool:
    """Replicas can be started at any time."""
    return True


def shutdown(*args: Any, **settings: Any) -> None:
    """Nothing to end: replicas end with the server."""


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"ray.{name} is not part of this server's stand-in for Ray, which has ray.init and ray.serve; "
        "install ray in the environment if the script needs it."
    )
