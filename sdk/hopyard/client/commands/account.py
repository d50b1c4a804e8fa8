"""login, logout, whoami."""

from __future__ import annotations

import socket
import sys

import click

from hopyard.client import account, config
from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_json, with_client
from hopyard.client.config import Configuration


@click.command()
@click.option("--url", prompt="Address", default="http://localhost:8000", show_default=True)
@click.option("--username", help="Who you are; asked for if neither this nor a key is given.")
@click.option("--project", help="The project to work in.")
@click.option(
    "--api-key", help="A key you already have. Your shell may remember it: --with-key asks instead."
)
@click.option("--with-key", is_flag=True, help="Ask for a key you already have, without echo.")
def login(url: str, username: str | None, project: str | None, api_key: str | None, with_key: bool) -> None:
    """Save a key for a platform, so that later commands and scripts need nothing else."""
    if api_key or with_key:
        key = api_key or _secret("API key")
        found, identity = account.log_in_with_key(url=url, api_key=key, project=project)
        username = identity.username
    else:
        username = username or click.prompt("Username")
        found = _with_password(url, username, project)
    saved = config.save(found)
    click.echo(f"Logged in to {found.url} as {username}, project {found.project}. Saved in {saved}.")


def _with_password(url: str, username: str, project: str | None) -> Configuration:
    password = _secret("Password")
    return account.log_in(
        url=url,
        username=username,
        password=password,
        project=project or click.prompt("Project"),
        key_name=f"hopyard login on {socket.gethostname()}",
    )


def _secret(what: str) -> str:
    """Typed without echo, or the next line of what is piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    typed: str = click.prompt(what, hide_input=True)
    return typed


@click.command()
def logout() -> None:
    """Forget the saved key. It stays valid until it is revoked on the platform."""
    if config.forget():
        click.echo("Logged out. The key itself is valid until you revoke it on the platform, under API keys.")
    else:
        click.echo("There was no saved login.")


@click.command()
@as_json
@with_client
def whoami(client: Client, json_wanted: bool) -> None:
    """Say whose key this is and what it reaches."""
    identity = client.me()
    if json_wanted:
        echo_json(identity)
        return
    click.echo(f"{identity.username} at {client.url}, project {client.project}")
    for membership in identity.projects:
        click.echo(f"  {membership.name} ({membership.role})" if membership.role else f"  {membership.name}")
    if identity.key and identity.key.scopes:
        click.echo(f"  this key may: {', '.join(identity.key.scopes)}")
