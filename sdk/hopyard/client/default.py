"""The client the module functions share: made on first use from the environment or the saved login."""

from __future__ import annotations

from threading import Lock

from hopyard.client.client import Client

_current: Client | None = None
_lock = Lock()


def connect(
    url: str | None = None, api_key: str | None = None, project: str | None = None, timeout: float = 30
) -> Client:
    """Set, and return, the client that `hopyard.model` and `hopyard.serving` use from now on.

    Raises ConfigurationError when address, key or project is nowhere to be found.
    """
    global _current  # noqa: PLW0603 - the one place that holds it
    client = Client(url, api_key, project, timeout)
    with _lock:
        _current = client
    return client


def current() -> Client:
    """The client in use, made from the configuration the first time."""
    global _current  # noqa: PLW0603
    with _lock:
        if _current is None:
            _current = Client()
        return _current
