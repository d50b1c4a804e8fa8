"""A serving's settings as options of create and edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from hopyard.client.commands.output import pairs
from hopyard.client.commands.redaction_rules import rules
from hopyard.client.serving_records import Serving
from hopyard.client.settings import BATCHING, DEPLOYERS, FORMATS, LOGGING, PLACEMENTS, Changes, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

COUNT = click.IntRange(min=1)
OPTIONS = (
    click.option("--model", help="Model, when the script's path does not say it."),
    click.option("--model-version", type=COUNT, help="Its version, when the script's path does not say it."),
    click.option(
        "--alias", help="Serve the version that this alias of the model stands for, whichever it is."
    ),
    click.option(
        "--artifact-version", help="CREATE, MODEL-ONLY, or the number of one that has the transformer."
    ),
    click.option("--transformer", help="Path of a script with a Transformer; '' for none."),
    click.option(
        "--transformer-placement",
        type=click.Choice(PLACEMENTS),
        help="In replicas of its own, or in the predictor's process.",
    ),
    click.option("--transformer-replicas", type=COUNT, help="How many copies of the transformer run."),
    click.option("--transformer-cores", type=float, help="Cores for each of them."),
    click.option("--transformer-memory-mb", type=COUNT, help="Memory for each of them, in MiB."),
    click.option("--python", help="Version of Python, e.g. 3.12."),
    click.option(
        "--requirements",
        "requirements_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A requirements.txt of this machine; an empty one takes the last one back.",
    ),
    click.option("--replicas", type=click.IntRange(min=0), help="How many copies run."),
    click.option("--cores", type=float, help="Cores for each replica."),
    click.option("--memory-mb", type=COUNT, help="Memory for each replica, in MiB."),
    click.option("--gpus", type=click.IntRange(min=0), help="GPUs for each replica."),
    click.option(
        "--deployer", type=click.Choice(DEPLOYERS), help="Where it runs; '' for the installation's choice."
    ),
    click.option("--topic", help="Inference log: CREATE, NONE, or an existing topic."),
    click.option("--topic-partitions", type=COUNT, help="Partitions of a new topic."),
    click.option("--topic-replication", type=COUNT, help="Replication of a new topic."),
    click.option("--inference-logging", type=click.Choice(LOGGING), help="What is logged."),
    click.option("--sampling-percent", type=float, help="How many of every hundred calls are recorded."),
    click.option("--record-format", type=click.Choice(FORMATS), help="Avro, or MLRun's records in JSON."),
    click.option(
        "--redact",
        "redaction",
        multiple=True,
        callback=rules,
        metavar="RULE",
        help="Left out of records: 'ACTION WHERE field PATH' or 'ACTION WHERE pattern EXPRESSION', such as "
        "'mask inputs field customer.name'; ACTION is remove, mask or hash, WHERE inputs, outputs or both. "
        "All rules are given anew; '' for none.",
    ),
    click.option("--events-url", help="Address that gets calls as CloudEvents; '' for none."),
    click.option("--input-topic", help="Topic that requests are taken from; '' for none."),
    click.option("--output-topic", help="Topic that their answers go to; '' for none."),
    click.option("--class-name", help="Class to serve, where the script has several."),
    click.option("--max-concurrency", type=COUNT, help="Calls a replica makes at a time."),
    click.option(
        "--batching",
        type=click.Choice(BATCHING),
        help="Predict waiting requests together; auto: if the input example proves that it changes nothing.",
    ),
    click.option("--no-batching", is_flag=True, default=None, help="The same as --batching off."),
    click.option("--max-batch-size", type=COUNT, help="Most rows predicted together."),
    click.option(
        "--max-latency-ms", type=click.IntRange(min=0), help="How long a request may wait for others."
    ),
    click.option("--env", multiple=True, callback=pairs, metavar="NAME=VALUE", help="Environment variable."),
    click.option("--description"),
)
RESOURCES = ("cores", "memory_mb", "gpus")
OF_TRANSFORMER = {"transformer_cores": "cores", "transformer_memory_mb": "memory_mb"}
IN_BATCHING = {"batching": "mode", "max_batch_size": "max_batch_size", "max_latency_ms": "max_latency_ms"}


def setting_options(command: Command) -> Command:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def settings_of(options: dict[str, Any]) -> Settings:
    """The settings that were given, in the client's shape."""
    given = {name: value for name, value in options.items() if value is not None and value != {}}
    if given.pop("no_batching", False):
        if given.get("batching", "off") != "off":
            raise click.UsageError("Give either --batching or --no-batching.")
        given["batching"] = "off"
    resources = {name: given.pop(name) for name in RESOURCES if name in given}
    batching = {inner: given.pop(name) for name, inner in IN_BATCHING.items() if name in given}
    transformer = {inner: given.pop(name) for name, inner in OF_TRANSFORMER.items() if name in given}
    nested = {"resources": resources, "batching": batching, "transformer_resources": transformer}
    return cast(Settings, given | {name: value for name, value in nested.items() if value})


def changes_of(
    options: dict[str, Any], now: Serving, *, script: str | None, unset: tuple[str, ...]
) -> Changes:
    """As settings_of, with resources completed from what they are now."""
    changes: dict[str, Any] = {**settings_of(options)}
    if script is not None:
        changes["script"] = script
    if "resources" in changes:
        changes["resources"] = asdict(now.resources) | changes["resources"]
    if unset or "env" in changes:
        env = now.env | changes.get("env", {})
        changes["env"] = {name: value for name, value in env.items() if name not in unset}
    return cast(Changes, changes)
