"""records list, show, chart, export: what a serving was asked and what it answered."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands.output import as_json, echo_details, echo_json, echo_table, size, with_client
from hopyard.client.commands.record_filters import filtered, filters_of
from hopyard.client.errors import HopyardError
from hopyard.client.inference_records import FORMATS, MOST_EXPORTED, InferenceRecord


@click.group()
def records() -> None:
    """Inference records: what a serving was asked and what it answered."""


@records.command("list")
@click.argument("serving")
@click.option("--most", type=click.IntRange(1), default=20, show_default=True, help="The newest so many.")
@filtered
@as_json
@with_client
def list_(client: Client, /, serving: str, *, most: int, json_wanted: bool, **given: Any) -> None:
    """The newest calls of SERVING."""
    found = client.inference_records.list(serving, most=most, **filters_of(given))
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (
            each.id,
            _second(each.requested_at),
            each.verb,
            each.status,
            _took(each.duration_us),
            each.revision,
            each.request_id,
        )
        for each in found
    ]
    headings = ("CALL", "WHEN", "METHOD", "STATUS", "TOOK", "REVISION", "REQUEST")
    echo_table(headings, rows, "No call fits.")


@records.command()
@click.argument("serving")
@click.argument("number", type=click.IntRange(1))
@as_json
@with_client
def show(client: Client, serving: str, number: int, json_wanted: bool) -> None:
    """One call in full."""
    found = client.inference_records.get(serving, number)
    if json_wanted:
        echo_json(found)
        return
    echo_details(_details(found))
    for name, body in (("Inputs", found.inputs), ("Predictions", found.outputs)):
        if body:
            click.echo(f"{name}:\n{_pretty(body)}")


@records.command()
@click.argument("serving")
@filtered
@as_json
@with_client
def chart(client: Client, /, serving: str, *, json_wanted: bool, **given: Any) -> None:
    """How many calls there were, and how long they took, over time."""
    found = client.inference_records.chart(serving, **filters_of(given))
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (
            _second(each.start),
            each.calls,
            _classes(each.classes),
            *(_ms(each.latency_ms.get(name)) for name in PERCENTILES),
        )
        for each in found.pieces
        if each.calls
    ]
    echo_table(("FROM", "CALLS", "STATUSES", *(name.upper() for name in PERCENTILES)), rows, "No call fits.")


@records.command()
@click.argument("serving")
@click.argument("target", type=click.Path(dir_okay=False, writable=True))
@click.option("--format", "how", type=click.Choice(FORMATS), help="Otherwise the ending of TARGET says it.")
@click.option(
    "--most",
    type=click.IntRange(1, MOST_EXPORTED),
    default=MOST_EXPORTED,
    show_default=True,
    help="The newest so many.",
)
@filtered
@with_client
def export(client: Client, /, serving: str, target: str, *, how: str | None, most: int, **given: Any) -> None:
    """Write calls of SERVING to the file TARGET as CSV, JSON lines or Parquet."""
    asked = filters_of(given)
    path = client.inference_records.export(serving, target, format=how, most=most, **asked)
    click.echo(f"{path}: {size(path.stat().st_size)}")
    with suppress(HopyardError):  # the file is there, whatever this finds
        number = client.inference_records.chart(serving, **asked).calls
        if number > most:
            click.echo(
                f"These are the newest {most:,} of {number:,} calls; choose a shorter time for the others.",
                err=True,
            )


PERCENTILES = ("p50", "p95", "p99")


def _details(record: InferenceRecord) -> dict[str, object]:
    parts = {
        "queue": record.queue_us,
        "preprocess": record.preprocess_us,
        "predict": record.predict_us,
        "postprocess": record.postprocess_us,
    }
    return {
        "Call": record.id,
        "When": _second(record.requested_at),
        "Request": record.request_id,
        "Method": f"{record.verb} {record.protocol}".strip(),
        "Status": record.status,
        "Error": record.error,
        "Took": _took(record.duration_us),
        "Of it": ", ".join(f"{name} {_took(took)}" for name, took in parts.items() if took is not None),
        "Revision": record.revision,
        "Replica": record.replica,
        "Key": record.key_id,
        "Inputs kept": _kept(record.inputs, record.inputs_bytes, record.inputs_sha256),
        "Predictions kept": _kept(record.outputs, record.outputs_bytes, record.outputs_sha256),
    }


def _kept(body: str, count: int, sha256: str) -> str:
    if body or not count:
        return ""
    return f"no, {size(count)}" + (f", sha256 {sha256}" if sha256 else "")


def _classes(classes: dict[str, int]) -> str:
    return ", ".join(f"{calls} {name}" for name, calls in sorted(classes.items()))


def _ms(took: float | None) -> str:
    return "" if took is None else f"{took:.2f} ms"


def _took(microseconds: int) -> str:
    return f"{microseconds / 1000:.2f} ms"


def _second(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
