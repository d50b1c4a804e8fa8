"""How programs of the platform log: lines on standard error."""

import logging
import sys
from http import HTTPStatus
from typing import Any

PASSED_ON = "/inference/"


def is_the_platforms(record: logging.LogRecord) -> bool:
    """Whether an answer with an error status is a matter for this log. One to a prediction is the caller's and the
    replica's, as while a serving starts; what was raised on the way, and replicas that are gone, stay in the log.
    """
    path = getattr(getattr(record, "request", None), "path", "")
    is_lost = getattr(record, "status_code", None) == HTTPStatus.BAD_GATEWAY
    return not path.startswith(PASSED_ON) or bool(record.exc_info) or is_lost


def to_stderr(level: str) -> dict[str, Any]:
    """Django's LOGGING; other libraries' chatter is left out."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "filters": {"the platform's own": {"()": lambda: is_the_platforms}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.request": {"level": "ERROR", "filters": ["the platform's own"]},
            "httpx": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            "kafka": {"level": "CRITICAL"},  # what it could not do, it raises
        },
    }
