"""How Celery talks to the broker that a URL names."""

from typing import Any
from urllib.parse import urlsplit

REDIS = {
    # What a worker had fetched and not begun when it was killed goes to the next one after this time. Whatever had
    # begun is lost and asked for anew by beat's rounds, since every task is harmless when late or doubled.
    "visibility_timeout": 60,
    "socket_connect_timeout": 3,
    "socket_timeout": 15,
    "socket_keepalive": True,
    "retry_on_timeout": True,
    "health_check_interval": 25,
}


def options(url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options` for `redis://…` and `rediss://…`; none for anything else."""
    return dict(REDIS) if urlsplit(url).scheme in {"redis", "rediss"} else {}
