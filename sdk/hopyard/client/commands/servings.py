"""serving list, show, create, edit, stop, delete; the modules beside this one add the others."""

from __future__ import annotations

from typing import Any

import click

from hopyard.client.client import Client
from hopyard.client.commands import asking, preflights, revisions, rollout
from hopyard.client.commands.output import as_json, echo_details, echo_json, echo_table, sure, with_client
from hopyard.client.commands.redaction_rules import line as rule_line
from hopyard.client.commands.setting_options import changes_of, setting_options, settings_of
from hopyard.client.serving_records import Serving


@click.group()
def serving() -> None:
    """Servings: what runs."""


@serving.command("list")
@as_json
@with_client
def list_(client: Client, json_wanted: bool) -> None:
    """All servings of the project."""
    found = client.servings.list()
    if json_wanted:
        echo_json(found)
        return
    rows = [
        (
            each.name,
            each.status,
            f"{each.replicas_ready}/{each.replicas_in_all}",
            _model(each),
            each.revision,
            each.url,
        )
        for each in found
    ]
    echo_table(("NAME", "STATUS", "READY", "MODEL", "REVISION", "URL"), rows, "There are no servings yet.")


@serving.command()
@click.argument("name")
@as_json
@with_client
def show(client: Client, name: str, json_wanted: bool) -> None:
    """Everything about one serving."""
    found = client.servings.get(name)
    if json_wanted:
        echo_json(found)
    else:
        _show(found)


def _show(found: Serving) -> None:
    resources = found.resources
    failure = f"{found.failure.code}: {found.failure.reason}" if found.failure else ""
    echo_details(
        {
            "Name": found.name,
            "Status": found.status,
            "Reason": found.condition.reason,
            "Failure": failure,
            "Pre-flight": found.preflight.state if found.preflight else None,
            "Replicas": f"{found.replicas_ready} of {found.replicas_in_all} ready",
            "Model": _model(found),
            "Script": found.script,
            "Transformer": _transformer(found),
            "Artifact": found.artifact_version,
            "Revision": found.revision,
            "Scaled": f"to {found.scale} by hand" if found.scale else "",
            "Canary": _canary(found),
            "Runs in": found.deployer,
            "Exemptions": found.exemptions,
            "Resources": f"{resources.cores:g} cores, {resources.memory_mb} MiB, {resources.gpus} GPUs",
            "Topic": found.topic or "none",
            "Logging": _logging(found),
            "Left out": [rule_line(rule) for rule in found.redaction],
            "CloudEvents": found.events_url,
            "Requests from": found.input_topic,
            "Answers to": found.output_topic,
            "Batching": _batching(found),
            "Calls": f"{found.max_concurrency} at a time",
            "Class": found.class_name,
            "Python": found.python,
            "Requirements": _requirements(found),
            "Environment": (found.environment or "")[:12],
            "Variables": found.env,
            "Description": found.description,
            "URL": found.url,
            "Direct URL": found.direct_url,
            "Created": found.created_at,
            "Deployed": found.deployed_at,
        }
    )
    if found.failure and found.failure.evidence:
        click.echo(f"\n{found.failure.evidence}")


def _canary(found: Serving) -> str:
    seen = found.canary
    if seen is None:
        return ""
    said = f"failed: {seen.failure.reason}" if seen.failure else f"{seen.percent} % of the requests"
    return f"revision {seen.revision}, {said}"


def _logging(found: Serving) -> str:
    """What is recorded; what is as usual is left out."""
    part = "" if found.sampling_percent == 100 else f", {found.sampling_percent:g} % of the calls"
    form = "" if found.record_format == "avro" else f", in {found.record_format}'s format"
    return f"{found.inference_logging or ''}{part}{form}"


def _batching(found: Serving) -> str:
    batching = found.batching
    if not batching.enabled:
        return "off"
    wait = f", waiting up to {batching.max_latency_ms} ms" if batching.max_latency_ms else ""
    return f"{batching.mode}, up to {batching.max_batch_size} rows{wait}"


def _transformer(found: Serving) -> str:
    if not found.transformer:
        return ""
    if not found.has_transformer_replicas:
        return f"{found.transformer}, in the predictor's process"
    resources = found.transformer_resources
    each = f"{resources.cores:g} cores, {resources.memory_mb} MiB"
    return f"{found.transformer}, {found.transformer_replicas} of its own with {each}"


def _requirements(found: Serving) -> str:
    if found.requirements_path or not found.requirements:
        return found.requirements_path
    return ", ".join(found.requirements.splitlines())


def _model(found: Serving) -> str:
    version = f"{found.model} v{found.model_version}"
    return f"{version} ({found.alias})" if found.alias else version


@serving.command()
@click.argument("name")
@click.argument("script")
@setting_options
@with_client
def create(client: Client, /, name: str, script: str, **options: Any) -> None:
    """Create serving NAME from SCRIPT, a path like Models/iris/1/predictor.py."""
    made = client.servings.create(name, script, **settings_of(options))
    click.echo(f"Created {made.name}. Run it with: hopyard serving start {made.name}")


@serving.command()
@click.argument("name")
@click.option("--script", help="Path of another script.")
@setting_options
@click.option("--unset", multiple=True, metavar="NAME", help="Remove an environment variable.")
@with_client
def edit(client: Client, /, name: str, script: str | None, unset: tuple[str, ...], **options: Any) -> None:
    """Change the settings given and no others; a running serving keeps answering meanwhile."""
    now = client.servings.get(name)
    changes = changes_of(options, now, script=script, unset=unset)
    if not changes:
        raise click.UsageError("Nothing to change: give at least one option.")
    made = client.servings.update(name, expected_revision=now.revision, **changes)
    click.echo(f"Edited {made.name}: revision {made.revision}.")


@serving.command()
@click.argument("name")
@with_client
def stop(client: Client, name: str) -> None:
    """Stop it; its settings and history stay."""
    found = client.servings.stop(name)
    click.echo(f"{found.name} is asked to stop.")


@serving.command()
@click.argument("name")
@click.option("--with-topic", is_flag=True, help="Delete the topic of its log with all its messages, too.")
@sure
@with_client
def delete(client: Client, name: str, with_topic: bool, yes: bool) -> None:
    """Delete it, running or not; its topic stays unless --with-topic."""
    if not yes:
        click.confirm(f"Delete serving {name}{' and its topic' if with_topic else ''}?", abort=True)
    client.servings.delete(name, with_topic=with_topic)
    click.echo(f"Deleted {name}.")


for command in (*preflights.COMMANDS, *revisions.COMMANDS, *rollout.COMMANDS, asking.logs):
    serving.add_command(command)
