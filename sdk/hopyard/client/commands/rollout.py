"""serving scale, pace, canary, promote, withdraw, exempt: what a serving that runs can be told."""

from __future__ import annotations

from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import sure, with_client
from hopyard.client.commands.setting_options import changes_of, setting_options
from hopyard.client.serving_records import Serving

EXEMPTIONS = {
    "egress": "they reach other machines and the internet",
    "writable-root": "they may change every file of their own system",
    "root-user": "they run as root, one step from the whole machine",
}


@click.command()
@click.argument("name")
@click.argument("replicas", type=click.IntRange(min=1))
@with_client
def scale(client: Client, name: str, replicas: int) -> None:
    """Run REPLICAS copies from now on, without a new revision."""
    found = client.servings.scale(name, replicas)
    when = "" if found.wanted_replicas else " the next time it is started"
    click.echo(f"{found.name} runs {found.replicas} replica{'' if found.replicas == 1 else 's'}{when}.")


@click.command()
@click.argument("name")
@click.option(
    "--surge", type=click.IntRange(min=0), help="Replicas beyond those wanted; 0: a whole second set."
)
@click.option(
    "--seconds", type=click.IntRange(min=0), help="How long a new one stays ready before an old one leaves."
)
@with_client
def pace(client: Client, name: str, *, surge: int | None, seconds: int | None) -> None:
    """Show or set how updates go."""
    is_asked = surge is None and seconds is None
    found = (
        client.servings.get(name)
        if is_asked
        else client.servings.set_pace(name, surge=surge, pace_seconds=seconds)
    )
    more = (
        f"at most {found.surge} more than wanted at a time" if found.surge else "a whole second set at once"
    )
    click.echo(f"Updates of {found.name} run {more}, {found.pace_seconds} s after each that is ready.")


@click.command()
@click.argument("name")
@click.option("--percent", type=click.IntRange(0, 100), help="Its part of the requests.")
@click.option("--script", help="Path of another script.")
@setting_options
@click.option("--unset", multiple=True, metavar="NAME", help="Remove an environment variable.")
@with_client
def canary(
    client: Client,
    /,
    name: str,
    percent: int | None,
    script: str | None,
    unset: tuple[str, ...],
    **options: Any,
) -> None:
    """Try changed settings on a PERCENT of the requests, give the canary another part, or show how it does."""
    now = client.servings.get(name)
    changes = changes_of(options, now, script=script, unset=unset)
    if percent is None:
        if changes:
            raise click.UsageError("Say with --percent which part of the requests it gets.")
        click.echo(_told(now))
        return
    click.echo(_told(client.servings.canary(name, percent, **changes)))


@click.command()
@click.argument("name")
@with_client
def promote(client: Client, name: str) -> None:
    """Make the canary the current revision."""
    found = client.servings.promote(name)
    click.echo(f"Revision {found.revision} of {found.name} is no canary any more: all requests go to it.")


@click.command()
@click.argument("name")
@sure
@with_client
def withdraw(client: Client, name: str, yes: bool) -> None:
    """End the canary; the current revision gets all requests."""
    if not yes:
        click.confirm(f"Withdraw the canary of {name}?", abort=True)
    found = client.servings.withdraw(name)
    click.echo(f"The canary of {found.name} is withdrawn: revision {found.revision} gets all requests.")


@click.command()
@click.argument("name")
@click.argument("exemptions", nargs=-1, type=click.Choice(list(EXEMPTIONS)))
@sure
@with_client
def exempt(client: Client, name: str, exemptions: tuple[str, ...], yes: bool) -> None:
    """Let the containers of NAME do exactly this beyond the default, nothing if none is named; owners only."""
    if exemptions and not yes:
        opened = "; ".join(EXEMPTIONS[each] for each in exemptions)
        click.confirm(f"Exempt the containers of {name} from their hardening: {opened}?", abort=True)
    found = client.servings.set_exemptions(name, exemptions)
    click.echo(f"Exemptions of {found.name}: {', '.join(found.exemptions) or 'none'}.")


def _told(found: Serving) -> str:
    seen = found.canary
    if seen is None:
        return f"{found.name} has no canary."
    if seen.failure:
        return (
            f"The canary of {found.name}, revision {seen.revision}, gets no requests: {seen.failure.reason}"
        )
    ready = f"{seen.replicas_ready} of {seen.replicas} replicas ready"
    return f"Revision {seen.revision} of {found.name} gets {seen.percent} % of the requests ({ready})."


COMMANDS = (scale, pace, canary, promote, withdraw, exempt)
