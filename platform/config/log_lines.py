"""How programs of the platform log: lines on standard error."""

import sys
from typing import Any


def to_stderr(level: str) -> dict[str, Any]:
    """Django's LOGGING; other libraries' chatter is left out."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.request": {"level": "ERROR"},
            "httpx": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
        },
    }
