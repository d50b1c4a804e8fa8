"""How commands speak: aligned tables, JSON on request, a progress bar, one clear line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from hopyard.client.client import Client
from hopyard.client.errors import HopyardError, ServingFailed
from hopyard.client.local_files import Progress
from hopyard.client.records import to_json

P = ParamSpec("P")
T = TypeVar("T")

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON instead of text.")
sure = click.option("--yes", is_flag=True, help="Do not ask.")


@dataclass(frozen=True)
class Target:
    """What was said before the command: `hopyard --project demo model list`."""

    url: str | None = None
    project: str | None = None


class Commands(click.Group):
    """A group whose commands end in one line on stderr and exit code 1 when something goes wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ServingFailed as failure:
            click.echo(failure.evidence, err=True, nl=bool(failure.evidence))
            raise click.ClickException(failure.headline) from failure
        except BrokenPipeError:  # `| head`: click ends quietly
            raise
        except (HopyardError, OSError) as error:
            raise click.ClickException(str(error)) from error


def with_client(command: Callable[Concatenate[Client, P], T]) -> Callable[P, T]:
    """Give the command a client, closed afterwards."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        target = click.get_current_context().find_object(Target) or Target()
        with Client(url=target.url, project=target.project) as client:
            return command(client, *args, **kwargs)

    return run


def echo_json(record: Any) -> None:
    click.echo(json.dumps(to_json(record), indent=2, ensure_ascii=False))


def echo_table(headings: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    lines = [list(headings), *([_cell(value) for value in row] for row in rows)]
    if len(lines) == 1:
        click.echo(empty)
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def echo_details(details: dict[str, object]) -> None:
    """Label and value, one a line; what is empty is left out."""
    width = max(len(label) for label in details) + 2
    for label, value in details.items():
        if text := _cell(value):
            click.echo(f"{label + ':':<{width}}{text}")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, dict):
        return ", ".join(f"{name}={_cell(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(each) for each in value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


@contextmanager
def progress(label: str) -> Iterator[Progress | None]:
    """A bar on stderr while bytes move, if somebody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


def pairs(_context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE, given any number of times."""
    split = [value.partition("=") for value in values]
    if wrong := [name for name, equals, _ in split if not (name and equals)]:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE.", param=parameter)
    return {name: value for name, _, value in split}
