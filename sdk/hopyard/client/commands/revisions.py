"""serving revisions, compare, rollback: what a serving was and what it can be again."""

from __future__ import annotations

from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_json, echo_table, size, with_client

NUMBER = click.IntRange(min=1)
COMPARED = {"settings": "", "variables": "variable", "packages": "package", "files": "file"}


@click.command()
@click.argument("name")
@as_json
@with_client
def revisions(client: Client, name: str, json_wanted: bool) -> None:
    """Every revision of a serving, newest first."""
    found = client.servings.revisions(name)
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (
            each.revision,
            f"{each.model} v{each.model_version}",
            each.artifact_version,
            each.script_sha256[:12],
            (each.environment or "")[:12],
            each.created_at,
            each.created_by,
        )
        for each in found
    ]
    headings = ("REVISION", "MODEL", "ARTIFACT", "SCRIPT", "ENVIRONMENT", "CREATED", "BY")
    echo_table(headings, rows, f"{name} has no revision yet.")


@click.command()
@click.argument("name")
@click.argument("a", type=NUMBER)
@click.argument("b", type=NUMBER)
@as_json
@with_client
def compare(client: Client, name: str, a: int, b: int, json_wanted: bool) -> None:
    """What differs in revision B of a serving as against revision A."""
    found = client.servings.compare(name, a, b)
    if json_wanted:
        echo_json(found)
        return
    rows = [row for key, kind in COMPARED.items() for row in _rows(kind, found.get(key) or [])]
    echo_table(("WHAT", f"REVISION {a}", f"REVISION {b}"), rows, "They do not differ.")
    for what, diff in (found.get("texts") or {}).items():
        click.echo(f"\n--- {what} (revision {a})\n+++ {what} (revision {b})")
        click.echo((diff.get("unified") or diff.get("reason") or "").rstrip("\n"))


def _rows(kind: str, changes: list[dict[str, Any]]) -> list[tuple[str, object, object]]:
    return [
        (
            f"{kind} {each.get('name') or each.get('path')}".strip(),
            _value(each.get("before")),
            _value(each.get("after")),
        )
        for each in changes
        if each.get("state") != "same"
    ]


def _value(value: Any) -> object:
    """As one line of a table; a file by its size and digest."""
    if isinstance(value, dict) and "sha256" in value:
        return f"{size(value.get('size', 0))} {value['sha256'][:12]}"
    return value.replace("\n", ", ") if isinstance(value, str) else value


@click.command()
@click.argument("name")
@click.argument("number", type=NUMBER)
@with_client
def rollback(client: Client, name: str, number: int) -> None:
    """Make revision NUMBER the newest again, its files and packages included."""
    made = client.servings.roll_back(name, number)
    click.echo(f"{made.name} is as in revision {number} again: revision {made.revision}.")


COMMANDS = (revisions, compare, rollback)
