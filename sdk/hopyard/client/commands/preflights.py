"""serving check and start: what a pre-flight finds, and the wait for a serving to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_json, echo_table, with_client
from hopyard.client.commands.setting_options import setting_options, settings_of
from hopyard.client.errors import PreflightFailed
from hopyard.client.serving_records import Check, Preflight, Serving

T = TypeVar("T")

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    help="Seconds.  [default: 600, besides the time that its packages take]",
)


@click.command()
@click.argument("target", metavar="NAME|SCRIPT")
@setting_options
@timeout_option
@as_json
@with_client
def check(client: Client, /, target: str, timeout: float | None, json_wanted: bool, **options: Any) -> None:
    """Try out, without serving it, a serving once more or a SCRIPT with options as of create; exit code 1 if red."""
    settings = settings_of(options)
    report = reporter(_doing)
    if target.endswith(".py"):
        found = client.servings.check(target, timeout=timeout, on_wait=report, **settings)
    elif settings:
        raise click.UsageError("Options go with a script; a serving is checked as it is.")
    else:
        found = client.servings.check_again(target, timeout=timeout, on_wait=report)
    if json_wanted:
        echo_json(found)
    else:
        _show(found)
    click.get_current_context().exit(0 if found.has_passed else 1)


@click.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=True, help="Return when it answers predictions (the default).")
@timeout_option
@click.option("--override", is_flag=True, help="Although its pre-flight is red: an owner's word, recorded.")
@with_client
def start(client: Client, name: str, *, wait: bool, timeout: float | None, override: bool) -> None:
    """Run it."""
    try:
        found = client.servings.start(
            name, wait=wait, timeout=timeout, override=override, on_wait=reporter(_reason)
        )
    except PreflightFailed as error:
        _echo_evidence(error.checks, err=True)
        raise
    click.echo(f"{found.name} is {found.status}: {found.url}" if wait else f"{found.name} is asked to start.")


def reporter(line_of: Callable[[T], str]) -> Callable[[T], None]:
    """Prints a line on stderr whenever it is another one."""
    last = ""

    def report(seen: T) -> None:
        nonlocal last
        line = line_of(seen)
        if line and line != last:
            click.echo(line, err=True)
        last = line

    return report


def _reason(serving: Serving) -> str:
    reason = serving.condition.reason
    return f"{serving.status}: {reason}" if reason else serving.status


def _doing(preflight: Preflight) -> str:
    for found in preflight.checks:
        if found.state == "running":
            return f"{found.title}: {found.sentence}" if found.sentence else found.title
    return ""


def _show(preflight: Preflight) -> None:
    rows = [
        (
            each.state,
            each.title or each.name,
            "" if each.seconds is None else f"{each.seconds:.1f} s",
            each.sentence,
        )
        for each in preflight.checks
    ]
    echo_table(("STATE", "CHECK", "TOOK", ""), rows, "Nothing was checked.")
    _echo_evidence([each for each in preflight.failed_checks if each.evidence])


def _echo_evidence(checks: Iterable[Check], *, err: bool = False) -> None:
    for each in checks:
        click.echo(f"\n{each.title or each.name}: {each.sentence}", err=err)
        click.echo(each.evidence, nl=bool(each.evidence), err=err)


COMMANDS = (check, start)
