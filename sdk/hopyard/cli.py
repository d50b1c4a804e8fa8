"""The command line: `hopyard up | login | model | serving | predict | logs | serve`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import click

from hopyard.client.commands import account, asking
from hopyard.client.commands.models import model
from hopyard.client.commands.output import Commands, Target
from hopyard.client.commands.servings import serving

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


@main.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--model-dir", type=click.Path(exists=True, file_okay=False), help="Folder of the model's files."
)
@click.option("--name", help="Name in the URL; otherwise the script's.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
def serve(script: str, model_dir: str | None, name: str | None, port: int) -> None:
    """Answer predictions with SCRIPT in this process, without a platform."""
    try:
        from hopyard.server import main as serve_forever
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hopyard"):
            raise
        raise click.ClickException(
            f"The model server needs {error.name}: pip install 'hopyard[server]'"
        ) from error
    given = {"--port": str(port), "--artifact-dir": model_dir, "--model-name": name}
    options = [word for option, value in given.items() if value for word in (option, value)]
    sys.exit(serve_forever([script, *options]))


for command in (account.login, account.logout, account.whoami, model, serving, asking.predict, asking.logs):
    main.add_command(command)
