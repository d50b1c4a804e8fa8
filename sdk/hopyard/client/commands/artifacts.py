"""model artifact: fetch what the servings of a version start from."""

from __future__ import annotations

from pathlib import Path

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_json, echo_table, progress, size, with_client


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1))
@click.argument("artifact", required=False)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Default: NAME/VERSION/Artifacts.")
@with_client
def artifact(client: Client, name: str, version: int, artifact: str | None, folder: Path | None) -> None:
    """Fetch ARTIFACT, a number or MODEL-ONLY, of a version; by default the newest."""
    with progress(f"Downloading an artifact of {name}") as on_progress:
        found = client.models.download_artifact(name, version, artifact, folder, on_progress=on_progress)
    click.echo(f"Downloaded to {found}.")


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1))
@as_json
@with_client
def artifacts(client: Client, name: str, version: int, json_wanted: bool) -> None:
    """The artifacts of a version, newest first."""
    found = client.models.artifacts(name, version)
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (each.label, each.name, each.transformer, size(each.size), each.digest[:12], each.created_at)
        for each in found
    ]
    headings = ("ARTIFACT", "NAME", "TRANSFORMER", "SIZE", "DIGEST", "CREATED")
    echo_table(
        headings, rows, f"{name} version {version} has no artifact yet; creating a serving builds one."
    )


COMMANDS = (artifact, artifacts)
