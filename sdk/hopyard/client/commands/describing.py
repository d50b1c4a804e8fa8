"""model describe, tag, alias, compare: what is said of versions, and how two of them differ."""

from __future__ import annotations

import json
from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_json, echo_table, pairs, size, with_client
from hopyard.client.comparison import Change, Comparison, FileFacts

version_option = click.option("--version", type=click.IntRange(min=1), required=True, help="Which version.")


def value_of(text: str) -> Any:
    """JSON if it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@click.command()
@click.argument("name")
@version_option
@click.option("--description")
@click.option("--framework")
@click.option(
    "--metric", multiple=True, callback=pairs, metavar="NAME=VALUE", help="All of them: the others go."
)
@with_client
def describe(
    client: Client,
    name: str,
    *,
    version: int,
    description: str | None,
    framework: str | None,
    metric: dict[str, str],
) -> None:
    """Change what is said of a version; its files stay."""
    metrics = {key: value_of(text) for key, text in metric.items()}
    given = {"description": description, "framework": framework, "metrics": metrics or None}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("Give --description, --framework or --metric.")
    client.models.describe(name, version, **changes)
    click.echo(f"Changed {', '.join(changes)} of {name} version {version}.")


@click.command()
@click.argument("name")
@version_option
@click.option(
    "--set", "kept", multiple=True, callback=pairs, metavar="NAME=VALUE", help="VALUE is JSON or text."
)
@click.option("--remove", multiple=True, metavar="NAME")
@with_client
def tag(client: Client, name: str, *, version: int, kept: dict[str, str], remove: tuple[str, ...]) -> None:
    """Set and remove tags of a version, then show all of them."""
    for key, text in kept.items():
        client.models.set_tag(name, version, key, value_of(text))
    for key in remove:
        client.models.delete_tag(name, version, key)
    found = client.models.get(name, version).tags
    rows = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in found.items()]
    echo_table(("TAG", "VALUE"), rows, f"{name} version {version} has no tags.")


@click.command()
@click.argument("name")
@click.argument("alias", required=False)
@click.option("--version", type=click.IntRange(min=1), help="The version that ALIAS stands for from now on.")
@click.option("--remove", is_flag=True, help="Take ALIAS away.")
@with_client
def alias(client: Client, name: str, alias: str | None, *, version: int | None, remove: bool) -> None:
    """Show the aliases of a model, or set or remove one."""
    if bool(alias) != (remove or version is not None) or (remove and version is not None):
        raise click.UsageError("Give ALIAS with either --version or --remove, or no ALIAS at all.")
    if alias and version is not None:
        client.models.set_alias(name, alias, version)
        click.echo(f"{alias} stands for {name} version {version}.")
    elif alias:
        client.models.delete_alias(name, alias)
        click.echo(f"Removed the alias {alias} of {name}.")
    else:
        rows = [(each.name, each.version, each.set_at, each.set_by) for each in client.models.aliases(name)]
        echo_table(("ALIAS", "VERSION", "SINCE", "BY"), rows, f"{name} has no aliases.")


@click.command()
@click.argument("name")
@click.argument("a")
@click.argument("b")
@as_json
@with_client
def compare(client: Client, name: str, a: str, b: str, json_wanted: bool) -> None:
    """What differs in version B as against A; each is a number, an alias or `latest`."""
    found = client.models.compare(name, a, b)
    if json_wanted:
        echo_json(found)
        return
    echo_table(("WHAT", f"VERSION {found.a}", f"VERSION {found.b}"), _rows(found), "They do not differ.")
    for path, diff in found.diffs.items():
        click.echo(
            f"\n--- {path} (version {found.a})\n+++ {path} (version {found.b})\n{diff.unified}", nl=False
        )


def _rows(found: Comparison) -> list[tuple[str, object, object]]:
    named: dict[str, list[Change]] = {
        "metric": found.metrics,
        "": found.about,
        "tag": found.tags,
        "package": found.packages,
    }
    values = [
        (f"{kind} {each.name}".strip(), each.before, each.after)
        for kind, changes in named.items()
        for each in changes
        if each.state != "same"
    ]
    changed = [each for each in found.files if each.state != "same"]
    return values + [(f"file {each.path}", _facts(each.before), _facts(each.after)) for each in changed]


def _facts(file: FileFacts | None) -> str | None:
    return None if file is None else f"{size(file.size)} {file.sha256[:12]}"


COMMANDS = (describe, tag, alias, compare)
