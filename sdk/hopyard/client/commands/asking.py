"""predict and logs: what a serving answers and what it wrote."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any

import click

from hopyard.client import moments
from hopyard.client.client import Client
from hopyard.client.commands.output import echo_json, with_client
from hopyard.client.serving_records import ReplicaLog
from hopyard.client.servings import INFER, VERBS

FOLLOW_SECONDS = 1.0
FOLLOW_TAIL = 1000


@click.command()
@click.argument("serving")
@click.argument("data")
@click.option("--verb", type=click.Choice((*VERBS, INFER)), default="predict", show_default=True)
@with_client
def predict(client: Client, serving: str, data: str, verb: str) -> None:
    """Ask SERVING about DATA: JSON, @file, or - for standard input.

    hopyard predict iris '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
    """
    echo_json(client.servings.predict(serving, _read(data), verb))


def _read(data: str) -> Any:
    if data == "-":
        text = sys.stdin.read()
    elif data.startswith("@"):
        text = Path(data[1:]).read_text(encoding="utf-8")
    else:
        text = data
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"The data is not JSON: {error}") from error


@click.command()
@click.argument("serving")
@click.option("--follow", "-f", is_flag=True, help="Go on printing new lines until interrupted.")
@click.option("--search", help="Only lines that contain this.")
@click.option("--replica", help="Only this replica.")
@click.option(
    "--since",
    help="Only what was written then or later: a time such as 2026-11-21T10:00:00Z, or 90s, 15m, 2h, 1d ago.",
)
@click.option(
    "--tail", type=click.IntRange(min=1), default=200, show_default=True, help="Lines of each replica."
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write all of one replica to a file."
)
@with_client
def logs(
    client: Client,
    serving: str,
    *,
    follow: bool,
    search: str | None,
    replica: str | None,
    since: str | None,
    tail: int,
    output: Path | None,
) -> None:
    """Print what the replicas of SERVING wrote, or save all that one of them did."""
    if output is not None:
        if not replica or follow or search or since:
            raise click.UsageError("--output goes with --replica, and with nothing else.")
        client.servings.download_log(serving, replica, output)
        click.echo(f"Wrote {output}.", err=True)
        return
    moment = moments.since(since, datetime.now(UTC)) if since else None
    printed: dict[str, list[str]] = {}
    for round_ in count():
        window = tail if round_ == 0 else max(tail, FOLLOW_TAIL)
        found = client.servings.logs(serving, replica=replica, search=search, since=moment, tail=window)
        _echo_new(found, printed)
        if not follow:
            if not any(printed.values()):
                click.echo("There are no such lines.", err=True)
            return
        try:
            sleep(FOLLOW_SECONDS)
        except KeyboardInterrupt:
            return


def _echo_new(found: list[ReplicaLog], printed: dict[str, list[str]]) -> None:
    for log in found:
        lines = log.content.splitlines()
        for line in new_lines(printed.get(log.name, []), lines):
            click.echo(f"{log.name} | {line}" if len(found) > 1 else line)
        printed[log.name] = lines


def new_lines(before: list[str], now: list[str]) -> list[str]:
    """What `now` has that `before` had not: both are windows on the end of one growing log."""
    if not before:
        return now
    for start in range(len(now) - 1, -1, -1):  # the newest line seen, with as many before it as both hold
        seen = now[: start + 1]
        overlap = min(len(seen), len(before))
        if seen[-overlap:] == before[-overlap:]:
            return now[start + 1 :]
    return now
