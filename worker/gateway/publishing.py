"""Tells the gateway which replicas answer for a serving."""

from collections.abc import Collection

from serving.models import Serving


def publish(serving: Serving, leaving: Collection[str] = ()) -> None:
    """Send requests to the ready replicas of `traffic.routes` without those named in `leaving`, which get no new
    request once this returns. The replicas' rows are what was seen last; where nothing changed, nothing is done.
    """


def withdraw(serving: Serving) -> None:
    """The serving is no more."""
