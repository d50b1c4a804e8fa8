"""The command line: `hopyard up | login | model | serving | environment | predict | logs | serve`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from hopyard.client.commands import account, asking
from hopyard.client.commands.environments import environment
from hopyard.client.commands.models import model
from hopyard.client.commands.output import Commands, Target
from hopyard.client.commands.records import records
from hopyard.client.commands.replays import replay
from hopyard.client.commands.servings import serving
from hopyard.client.commands.topics import topic
from hopyard.serving_here import EXAMPLES as SERVE_EXAMPLES
from hopyard.serving_here import kserve_spellings, server_arguments, welcome

INSTALL = """\
There is no Hopyard checkout here or above. `hopyard up` starts the platform from one: get the sources, and
run `make up` in their folder. To work with a platform that runs already: hopyard login"""


@click.group(cls=Commands)
@click.option("--url", help="Address of the platform; otherwise HOPYARD_URL or the saved login.")
@click.option("--project", help="Project; otherwise HOPYARD_PROJECT or the saved login.")
@click.version_option(version("hopyard"), prog_name="hopyard")
@click.pass_context
def main(context: click.Context, url: str | None, project: str | None) -> None:
    """Put Python models into production."""
    context.obj = Target(url, project)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def up(arguments: tuple[str, ...]) -> None:
    """Start the whole platform on this machine, from a checkout."""
    root = _checkout(Path.cwd())
    if root is None:
        raise click.ClickException(INSTALL)
    python = root / ".venv" / "bin" / "python"
    if not python.exists():
        raise click.ClickException(f"{root} is not set up yet: run `make up` there once.")
    os.chdir(root)
    os.execv(python, [str(python), "manage.py", "up", *arguments])  # noqa: S606 - our own program


def _checkout(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        if (folder / "manage.py").is_file() and (folder / "sdk" / "hopyard").is_dir():
            return folder
    return None


@main.command(epilog=SERVE_EXAMPLES)
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- SCRIPT'S ARGUMENTS]")
@click.option(
    "--model-dir",
    "artifact_dir",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of the model's files; otherwise the script's.",
)
@click.option(
    "--transformer",
    type=click.Path(exists=True, dir_okay=False),
    help="Script of a Transformer, whose preprocess and postprocess every prediction passes.",
)
@click.option("--name", "model_name", help="Name in the URL; otherwise the script's.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port for HTTP and gRPC; 0 takes a free one.  [default: 8080]",
)
@click.option("--host", help="Address to listen on; 0.0.0.0 for all of this machine.  [default: 127.0.0.1]")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Another port for gRPC alone.")
@click.option("--workers", type=click.IntRange(1), help="Processes that predict.  [default: 1]")
@click.option(
    "--batching",
    type=click.Choice(["auto", "on", "off"]),
    help="Predict waiting requests together; auto: if the input example proves that it may be.  [default: auto]",
)
@click.option("--max-batch-size", type=click.IntRange(1), help="Most rows predicted together.  [default: 64]")
@click.option(
    "--max-latency", type=click.FloatRange(0), help="Seconds a request may wait for others.  [default: 0]"
)
@click.option(
    "--input-example",
    type=click.Path(exists=True, dir_okay=False),
    help="JSON that is predicted once before the server is ready.",
)
@click.option(
    "--class", "class_name", metavar="NAME", help="The class to serve, where the script has several."
)
@click.option("--reload", is_flag=True, help="Start again when the script or the model's files change.")
@kserve_spellings
def serve(script: str, arguments: tuple[str, ...], **given: Any) -> None:
    """Answer predictions with SCRIPT on this machine, without a platform."""
    try:
        from hopyard.server import main as serve_forever
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hopyard"):
            raise
        raise click.ClickException(
            f"The model server needs {error.name}: pip install './sdk[server]' in a checkout of Hopyard"
        ) from error
    example = given["input_example"]
    sys.exit(
        serve_forever(
            server_arguments(script, given, arguments),
            announce=lambda announcement: welcome(announcement, example),
        )
    )


for command in (
    account.login,
    account.logout,
    account.whoami,
    model,
    serving,
    environment,
    topic,
    records,
    replay,
    asking.predict,
    asking.logs,
):
    main.add_command(command)
