"""The model server: answers predictions with a user's script. `main` runs it until told to stop; `mock` makes
one in this process, without sockets, for tests of a script.

Both load on first use: the shipper of inference records imports this package too, and must not pay for a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hopyard.server.lifecycle import main
    from hopyard.server.mocking import mock

__all__ = ["main", "mock"]


def __getattr__(name: str) -> Any:
    if name == "main":
        from hopyard.server.lifecycle import main

        return main
    if name == "mock":
        from hopyard.server.mocking import mock

        return mock
    raise AttributeError(f"module 'hopyard.server' has no attribute {name!r}")
