"""`mlrun.utils.logger`, which scripts log with."""

from datetime import UTC, datetime

from hopyard.server.flavors.mlrun.context import Logger

__all__ = ["Logger", "logger", "now_date"]

logger = Logger()


def now_date() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)
