"""replay ask, show, list, end: recorded calls asked again of another revision."""

from __future__ import annotations

from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_details, echo_json, echo_table, with_client
from hopyard.client.commands.record_filters import filtered, filters_of
from hopyard.client.replay_records import Replay

SHOWN = 20
ENDED = "Ended"  # the code of the failure of one that somebody ended


@click.group()
def replay() -> None:
    """Replays: recorded calls asked again of another revision."""


@replay.command()
@click.argument("serving")
@click.argument("asked", type=click.IntRange(min=1), metavar="REVISION")
@filtered
@click.option(
    "--most", type=click.IntRange(min=1), default=200, show_default=True, help="The newest so many."
)
@click.option(
    "--tolerance", type=float, default=1e-6, show_default=True, help="Numbers this close are the same."
)
@click.option("--wait/--no-wait", default=True, help="Wait for the end, which is the default.")
@as_json
@with_client
def ask(
    client: Client,
    /,
    serving: str,
    asked: int,
    *,
    most: int,
    tolerance: float,
    wait: bool,
    json_wanted: bool,
    **given: Any,
) -> None:
    """Ask the recorded calls of SERVING again, of REVISION; nobody who calls it notices."""
    selection = filters_of(given)
    found = client.replays.ask(serving, asked, selection=selection, most=most, tolerance=tolerance)
    if wait:
        found = client.replays.wait(serving, found.id)
    if json_wanted:
        echo_json(found)
    else:
        _show(client, serving, found)


@replay.command()
@click.argument("serving")
@click.argument("number", type=click.IntRange(min=1))
@as_json
@with_client
def show(client: Client, serving: str, number: int, json_wanted: bool) -> None:
    """What came of a replay, and the calls whose answers differ."""
    found = client.replays.get(serving, number)
    if json_wanted:
        echo_json(found)
    else:
        _show(client, serving, found)


@replay.command("list")
@click.argument("serving")
@as_json
@with_client
def list_(client: Client, serving: str, json_wanted: bool) -> None:
    """The replays of SERVING, newest first."""
    found = client.replays.list(serving)
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (each.id, each.revision, each.state, f"{each.asked}/{each.total}", each.differing, each.created_at)
        for each in found
    ]
    echo_table(
        ("REPLAY", "REVISION", "STATE", "CALLS", "DIFFER", "ASKED FOR"), rows, "There are no replays yet."
    )


@replay.command()
@click.argument("serving")
@click.argument("number", type=click.IntRange(min=1))
@with_client
def end(client: Client, serving: str, number: int) -> None:
    """End a replay that runs; one that is done or has failed stays as it is."""
    click.echo(_ended(client.replays.end(serving, number)))


def _ended(found: Replay) -> str:
    asked = (
        f"it asked {found.asked} of {found.total} calls." if found.total else "it asked none of its calls."
    )
    if found.failure is None:
        return f"Replay {found.id} is {found.state}, and stays as it is: {asked}"
    if found.failure.code != ENDED:
        why = f"{found.failure.code}: {found.failure.reason}"
        return f"Replay {found.id} had failed, and stays as it is: {why}"
    return f"Ended replay {found.id}: {asked}"


def _show(client: Client, serving: str, found: Replay) -> None:
    failure = f"{found.failure.code}: {found.failure.reason}" if found.failure else ""
    summary = found.summary
    echo_details(
        {
            "Replay": found.id,
            "Revision": found.revision,
            "State": found.step or found.state,
            "Failure": failure,
            "Calls": f"{found.asked} of {found.total}",
            "Left out": "; ".join(f"{number}, {reason}" for reason, number in found.skipped.items()),
            "Differ": found.differing,
            "Largest change": summary.get("largest_change"),
            "Took (p50)": _times(summary, "p50"),
            "Took (p99)": _times(summary, "p99"),
        }
    )
    if not found.differing:
        return
    calls = client.replays.calls(serving, found.id, differing=True)[:SHOWN]
    click.echo()
    echo_table(("REQUEST", "DIFFERENCE"), [(each.request_id, each.difference) for each in calls], "")


def _times(summary: dict[str, dict[str, int]], share: str) -> str:
    old, new = summary.get("old_us") or {}, summary.get("new_us") or {}
    return f"{old[share] / 1000:.1f} ms recorded, {new[share] / 1000:.1f} ms now" if share in old else ""
