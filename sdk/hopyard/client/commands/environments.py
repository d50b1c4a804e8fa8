"""environment list, show, log, pythons: the packages that servings run in."""

from __future__ import annotations

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_details, echo_json, echo_table, size, with_client
from hopyard.client.environments import Environment

KEY_DIGITS = 12


@click.group()
def environment() -> None:
    """Environments: the packages that servings run in."""


@environment.command("list")
@as_json
@with_client
def list_(client: Client, json_wanted: bool) -> None:
    """The environments of the project's servings."""
    found = client.environments.list()
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (each.key[:KEY_DIGITS], each.python, each.state, each.package_count, _size(each), each.servings)
        for each in found
    ]
    headings = ("KEY", "PYTHON", "STATE", "PACKAGES", "SIZE", "SERVINGS")
    echo_table(headings, rows, "There are no environments yet.")


@environment.command()
@click.argument("key")
@as_json
@with_client
def show(client: Client, key: str, json_wanted: bool) -> None:
    """One environment and its packages; KEY is 12 digits or more of its key."""
    found = client.environments.get(key)
    if json_wanted:
        echo_json(found)
        return
    failure = f"{found.failure.code}: {found.failure.reason}" if found.failure else ""
    echo_details(
        {
            "Key": found.key,
            "Python": found.python,
            "State": found.state,
            "Failure": failure,
            "Servings": found.servings,
            "Size": _size(found),
            "Built": found.built_at,
            "Took": None if found.build_seconds is None else f"{found.build_seconds:.1f} s",
            "Verified": found.verified_at,
            "Used": found.used_at,
        }
    )
    click.echo()
    rows = [(each.name, each.version) for each in found.packages]
    echo_table(("PACKAGE", "VERSION"), rows, "Its packages are not listed.")
    if found.failure and found.failure.evidence:
        click.echo(f"\n{found.failure.evidence}")


@environment.command()
@click.argument("key")
@with_client
def log(client: Client, key: str) -> None:
    """Print what building the environment said."""
    text = client.environments.get(key).log
    click.echo(text.rstrip("\n") if text else "There is no log.", err=not text)


@environment.command()
@as_json
@with_client
def pythons(client: Client, json_wanted: bool) -> None:
    """The Pythons that a serving can ask for."""
    found = client.environments.pythons()
    if json_wanted:
        echo_json(found)
        return
    rows = [(each.version, each.full_version) for each in found]
    echo_table(("PYTHON", "IN FULL"), rows, "The worker has not reported any yet.")


def _size(found: Environment) -> str:
    return "" if found.size_bytes is None else size(found.size_bytes)
