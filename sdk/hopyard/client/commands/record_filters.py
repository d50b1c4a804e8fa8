"""The options that say which recorded calls are meant, and the filters that they give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import click

from hopyard.client import moments
from hopyard.client.inference_records import Filters

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--period", type=click.Choice(["15m", "1h", "24h", "7d", "all"]), help="Calls of the last so long."
    ),
    click.option(
        "--since",
        "--from",
        "since",
        metavar="TIME",
        help="Calls since then: 2026-11-21T10:00 (UTC unless it has a zone), a date, or 90m for so long ago.",
    ),
    click.option(
        "--until",
        "--to",
        "until",
        metavar="TIME",
        help="Calls before then, written alike; a date includes its day.",
    ),
    click.option("--status", help="Such as 503, 5xx or failed."),
    click.option("--at-least-ms", type=click.FloatRange(0), help="Calls that took so long or longer."),
    click.option("--at-most-ms", type=click.FloatRange(0), help="Calls that took no longer."),
    click.option("--revision", type=click.IntRange(1), help="Answered by this revision."),
    click.option("--replica", help="Answered by this replica."),
    click.option("--key", help="Asked with the API key of this id."),
    click.option("--request-id", help="The request of this id."),
    click.option("--verb", help="Such as predict or infer."),
    click.option("--protocol", help="v1, v2, grpc or mlrun."),
    click.option("--where", help="Conditions on values: in.sepal_length > 5 and out = setosa"),
)


def filtered(command: F) -> F:
    """Give the command the options that say which calls are meant."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def filters_of(given: dict[str, Any]) -> Filters:
    asked = {name: value for name, value in given.items() if value is not None}
    for name in asked.keys() & {"since", "until"}:
        asked[name] = moments.since(asked[name], datetime.now(UTC))
    return cast(Filters, asked)
