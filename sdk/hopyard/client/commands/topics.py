"""topic list, show, create, delete, publish, schema, dead-letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import (
    as_json,
    echo_details,
    echo_json,
    echo_table,
    size,
    sure,
    with_client,
)
from hopyard.client.topics import Topic

COUNTED = ("stored", "answered", "failed", "dead", "skipped", "lag")


@click.group()
def topic() -> None:
    """Topics: where calls are logged, and requests come from."""


@topic.command("list")
@as_json
@with_client
def list_(client: Client, json_wanted: bool) -> None:
    """All topics of the project."""
    found = client.topics.list()
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (each.name, each.state, _subject(each), each.partitions, _size(each), _servings(each))
        for each in found
    ]
    headings = ("NAME", "STATE", "SCHEMA", "PARTITIONS", "SIZE", "SERVINGS")
    echo_table(headings, rows, "There are no topics yet.")


@topic.command()
@click.argument("name")
@as_json
@with_client
def show(client: Client, name: str, json_wanted: bool) -> None:
    """One topic and its partitions."""
    found = client.topics.get(name)
    if json_wanted:
        echo_json(found)
        return
    echo_details(
        {
            "Name": found.name,
            "State": found.state,
            "Problem": found.problem,
            "Schema": _subject(found),
            "Servings": [f"{use.serving} as {use.role}" for use in found.servings],
            "Size": _size(found),
            "Messages": found.messages,
            "Taken in": {name: found.consumed[name] for name in COUNTED if name in found.consumed},
            "Partitions": found.partitions,
            "Replication": found.replication,
            "Created": found.created_at,
        }
    )
    click.echo()
    rows = [
        (each.id, each.first, each.next, size(each.bytes), f"{each.in_sync}/{each.replicas}")
        for each in found.partition_table
    ]
    headings = ("PARTITION", "FIRST", "NEXT", "SIZE", "IN SYNC")
    echo_table(headings, rows, "The broker has not told of its partitions yet.")


@topic.command()
@click.argument("name")
@click.option("--subject", help="inferenceschema, mlrunrecord, or the name of your own schema.")
@click.option("--schema-version", type=click.IntRange(min=1), help="Version of the schema.")
@click.option(
    "--schema",
    "schema_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with an Avro schema in JSON, for a subject of your own.",
)
@click.option("--partitions", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--replication", type=click.IntRange(min=1), default=1, show_default=True)
@with_client
def create(
    client: Client, /, name: str, subject: str | None, schema_file: Path | None, **options: Any
) -> None:
    """Create topic NAME; without a subject its messages may have any form."""
    schema = schema_file.read_text("utf-8-sig") if schema_file else None
    made = client.topics.create(name, subject=subject or "", schema=schema, **options)
    click.echo(f"{made.name} is {made.state}.")


@topic.command()
@click.argument("name")
@sure
@with_client
def delete(client: Client, name: str, yes: bool) -> None:
    """Delete a topic with its messages, which no serving may use."""
    if not yes:
        click.confirm(f"Delete topic {name} and its messages?", abort=True)
    client.topics.delete(name)
    click.echo(f"Deleted {name}.")


@topic.command()
@click.argument("name")
@click.argument("messages", nargs=-1)
@click.option(
    "--lines",
    type=click.File("rb"),
    help="File of messages, one a line; - for the standard input.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that is one message, whatever its bytes.",
)
@with_client
def publish(
    client: Client, name: str, messages: tuple[str, ...], lines: Any, files: tuple[Path, ...]
) -> None:
    """Add MESSAGES to a topic, in order."""
    found: list[bytes] = [message.encode() for message in messages]
    found += [line.rstrip(b"\r\n") for line in lines if line.strip()] if lines else []
    found += [path.read_bytes() for path in files]
    if not found:
        raise click.UsageError("Give at least one message, --lines or --file.")
    count = client.topics.publish(name, found)
    click.echo(f"Added {count} message{'' if count == 1 else 's'} to {name}.")


@topic.command()
@click.argument("name")
@with_client
def schema(client: Client, name: str) -> None:
    """Print the Avro schema of a topic's messages."""
    echo_json(client.topics.schema(name).schema)


@topic.command("dead-letters")
@click.argument("name")
@click.option(
    "--most", type=click.IntRange(min=1), default=20, show_default=True, help="How many, newest first."
)
@as_json
@with_client
def dead_letters(client: Client, name: str, most: int, json_wanted: bool) -> None:
    """Messages that could not be used, and why."""
    found = client.topics.dead_letters(name, most=most)
    if json_wanted:
        echo_json(found)
        return
    rows = [(each.seen_at, f"{each.partition}@{each.offset}", size(each.size), each.reason) for each in found]
    echo_table(("SEEN", "WHERE", "SIZE", "REASON"), rows, "There are none.")


def _subject(found: Topic) -> str:
    return f"{found.subject} v{found.schema_version}" if found.schema_version else found.subject


def _size(found: Topic) -> str:
    return "" if found.bytes is None else size(found.bytes)


def _servings(found: Topic) -> list[str]:
    return list(dict.fromkeys(use.serving for use in found.servings))
