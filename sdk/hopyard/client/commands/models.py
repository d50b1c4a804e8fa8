"""model list, show, export, download, delete; describing.py and artifacts.py add the others."""

from __future__ import annotations

from pathlib import Path

import click

from hopyard.client.client import Client
from hopyard.client.commands import artifacts, describing
from hopyard.client.commands.describing import value_of
from hopyard.client.commands.output import (
    as_json,
    echo_details,
    echo_json,
    echo_table,
    pairs,
    progress,
    size,
    sure,
    with_client,
)
from hopyard.client.records import ModelVersion

version_option = click.option("--version", type=click.IntRange(min=1), help="Which version.")
called_option = click.option("--version", metavar="VERSION", help="A number, an alias or `latest`.")


@click.group()
def model() -> None:
    """Models and their versions."""


@model.command("list")
@as_json
@with_client
def list_(client: Client, json_wanted: bool) -> None:
    """All models of the project."""
    found = client.models.list()
    if json_wanted:
        echo_json(found)
        return
    rows = [(each.name, each.version_count, each.latest, each.created_at) for each in found]
    echo_table(("NAME", "VERSIONS", "LATEST", "CREATED"), rows, "There are no models yet.")


@model.command()
@click.argument("name")
@called_option
@as_json
@with_client
def show(client: Client, name: str, version: str | None, json_wanted: bool) -> None:
    """A model's versions, or with --version one of them and its files."""
    found = client.models.versions(name) if version is None else client.models.get(name, version)
    if json_wanted:
        echo_json(found)
    elif isinstance(found, ModelVersion):
        _show_version(found)
    else:
        rows = [
            (each.version, each.aliases, size(each.size), each.metrics, each.created_at, each.created_by)
            for each in found
        ]
        echo_table(
            ("VERSION", "ALIASES", "SIZE", "METRICS", "CREATED", "BY"), rows, f"{name} has no version yet."
        )


def _show_version(version: ModelVersion) -> None:
    echo_details(
        {
            "Model": f"{version.model} version {version.version}",
            "Description": version.description,
            "Framework": version.framework,
            "Metrics": version.metrics,
            "Aliases": version.aliases,
            "Tags": version.tags,
            "Served by": version.servings,
            "Created": version.created_at,
            "By": version.created_by,
            "Git commit": version.provenance.get("git_commit"),
            "Python": version.provenance.get("python"),
            "Packages": version.packages,
        }
    )
    click.echo()
    rows = [(f"{version.path}/{file.path}", size(file.size), file.sha256[:12]) for file in version.files]
    echo_table(("FILE", "SIZE", "SHA-256"), rows, "It has no files.")


@model.command()
@click.argument("path")
@click.argument("name")
@version_option
@click.option("--overwrite", is_flag=True, help="Replace the version if it exists.")
@click.option("--description", default="")
@click.option("--framework", default="")
@click.option("--metric", multiple=True, callback=pairs, metavar="NAME=VALUE", help="E.g. accuracy=0.97.")
@click.option("--tag", multiple=True, callback=pairs, metavar="NAME=VALUE", help="E.g. data=2026-03.")
@click.option("--alias", multiple=True, help="Stands for this version from now on.")
@click.option(
    "--resume", is_flag=True, help="Keep what arrived when interrupted; the same command goes on from there."
)
@with_client
def export(  # noqa: PLR0913 - each is a choice of the user's
    client: Client,
    path: str,
    name: str,
    *,
    version: int | None,
    overwrite: bool,
    description: str,
    framework: str,
    metric: dict[str, str],
    tag: dict[str, str],
    alias: tuple[str, ...],
    resume: bool,
) -> None:
    """Register PATH, a file, a folder or a path in the project, as a version of model NAME."""
    with progress(f"Exporting {name}") as on_progress:
        made = client.models.export(
            path,
            name,
            version=version,
            overwrite=overwrite,
            description=description,
            framework=framework,
            metrics={key: _number(value) for key, value in metric.items()},
            tags={key: value_of(text) for key, text in tag.items()},
            aliases=alias,
            resume=resume,
            on_progress=on_progress,
        )
    click.echo(f"Exported {made.model} version {made.version}: {len(made.files)} files, {size(made.size)}.")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@model.command()
@click.argument("name")
@called_option
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Default: NAME/VERSION.")
@click.option("--overwrite", is_flag=True, help="Replace files that are already there.")
@with_client
def download(client: Client, name: str, version: str | None, folder: Path | None, overwrite: bool) -> None:
    """Fetch a version's files, by default the newest's."""
    with progress(f"Downloading {name}") as on_progress:
        found = client.models.download(name, version, folder, overwrite=overwrite, on_progress=on_progress)
    click.echo(f"Downloaded to {found}.")


@model.command()
@click.argument("name")
@version_option
@sure
@with_client
def delete(client: Client, name: str, version: int | None, yes: bool) -> None:
    """Delete one version, or without --version the model with all of them."""
    what = f"version {version} of {name}" if version else f"model {name} and all its versions"
    if not yes:
        click.confirm(f"Delete {what}?", abort=True)
    client.models.delete(name, version)
    click.echo(f"Deleted {what}.")


for command in (*describing.COMMANDS, *artifacts.COMMANDS):
    model.add_command(command)
