"""Turns a database URL into Django's settings: SQLite with a write-ahead log, or PostgreSQL."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
POSTGRES_OPTIONS = {"connect_timeout": "5", "application_name": "hopyard"}


def from_url(url: str) -> dict[str, Any]:
    """`sqlite:////absolute/path` or `postgres://user:password@host:port/name?sslmode=require`.

    Without a password in it libpq looks for one in `PGPASSWORD` or a password file.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path.replace("//", "/", 1),
            "OPTIONS": SQLITE_OPTIONS,
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": POSTGRES_OPTIONS | dict(parse_qsl(parts.query)),
        }
    raise ImproperlyConfigured("HOPYARD_DATABASE_URL must start with sqlite:/// or postgres://.")
