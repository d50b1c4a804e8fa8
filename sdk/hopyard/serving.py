"""Servings by module functions: the names and argument order of hops 2.3-2.4.

They use one shared client: see `hopyard.connect`. Like hops they take a serving's name; unlike it, a name
that does not exist raises NotFound everywhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Unpack

from hopyard.client.default import current
from hopyard.client.errors import InvalidArgument
from hopyard.client.serving_records import PREDICTOR, TRANSFORMER, ReplicaLog, Serving
from hopyard.client.settings import (
    BatchingSettings,
    Changes,
    ResourceSettings,
    Settings,
    check_name,
    checked,
)

MODEL_SERVERS = ("FLASK", "PYTHON")
"""What Hopsworks called its server for Python models, before and after 2.5; both mean ours."""


def exists(serving_name: str) -> bool:
    return current().servings.exists(serving_name)


def create_or_update(  # noqa: PLR0913, PLR0917 - the order is Hopsworks'
    serving_name: str,
    model_path: str,
    model_version: int = 1,
    artifact_version: Any = None,
    transformer: str | None = None,
    model_server: str | None = None,
    kfserving: bool | None = None,
    batching_enabled: bool | None = None,
    topic_name: str | None = "CREATE",
    num_partitions: int = 1,
    num_replicas: int = 1,
    inference_logging: str | None = "ALL",
    instances: int = 1,
    transformer_instances: int | None = None,
    predictor_resource_config: dict[str, Any] | None = None,
) -> Serving:
    """Create the serving, or give an existing one these settings; what cannot be said here it keeps.

    `artifact_version` is "CREATE", "MODEL-ONLY" or a number, as in Hopsworks: without a `transformer` it is always
    MODEL-ONLY; a transformer, the path of a script, makes the next number, and with an existing number it is the bare
    name of the one in there. It runs in `transformer_instances` replicas of its own.
    `model_path` is the path of the script, `Models/<model>/<version>/<file>.py`; `batching_enabled` True and
    False are on and off, None leaves it to the platform, which proves on the model's input example whether it
    may; `instances` is the number of replicas, while `num_partitions` and `num_replicas` belong to the topic of
    the inference log; `predictor_resource_config` is {"memory": MiB, "cores": number, "gpus": number}.

    Raises ValueError for what cannot be right or is not available here, BadRequest when the platform refuses.
    """
    _check_available(model_server, kfserving)
    settings: Settings = {
        "model_version": model_version,
        "artifact_version": artifact_version,
        **_transformer(transformer, transformer_instances),
        "batching": _batching(batching_enabled),
        "topic": topic_name or "NONE",
        "topic_partitions": num_partitions,
        "topic_replication": num_replicas,
        "inference_logging": inference_logging or "NONE",
        "replicas": instances,
    }
    if predictor_resource_config is not None:
        settings["resources"] = _resources(predictor_resource_config)
    check_name(serving_name)
    checked({"script": model_path, **settings})
    servings = current().servings
    if servings.exists(serving_name):
        return servings.update(serving_name, script=model_path, **settings)
    return servings.create(serving_name, model_path, **settings)


def start(
    serving_name: str, *, wait: bool = True, timeout: float | None = None, override: bool = False
) -> Serving:
    """Start it and return when it answers predictions; with wait=False return at once, as hops does.

    Raises PreflightFailed with the failed checks unless an owner says `override`, ServingFailed with the reason and
    the evidence, TimedOut after `timeout` seconds; without one after 600, besides the time that its packages take.
    """
    return current().servings.start(serving_name, wait=wait, timeout=timeout, override=override)


def stop(serving_name: str) -> Serving:
    """Ask for it to stop; returns at once."""
    return current().servings.stop(serving_name)


def delete(serving_name: str, *, with_topic: bool = False) -> None:
    """Delete it, running or not; its topic stays unless `with_topic`."""
    current().servings.delete(serving_name, with_topic=with_topic)


def get_all() -> list[Serving]:
    return current().servings.list()


def get(serving_name: str) -> Serving:
    """All there is to know of it in one record."""
    return current().servings.get(serving_name)


def get_id(serving_name: str) -> int | None:
    """Its number. Nothing here asks for it: in its project a serving is known by its name."""
    return get(serving_name).id


def get_status(serving_name: str) -> str:
    """Creating, Created, Starting, Running, Idle, Updating, Stopping, Stopped or Failed."""
    return get(serving_name).status


def get_model_path(serving_name: str) -> str:
    """The script's path, as given to create_or_update."""
    return get(serving_name).script


def get_model_version(serving_name: str) -> int | None:
    return get(serving_name).model_version


def get_artifact_version(serving_name: str) -> str | int:
    """The number of its artifact, or "MODEL-ONLY" without a transformer."""
    label = str(get(serving_name).artifact_version)
    return int(label) if label.isdecimal() else label


def get_transformer(serving_name: str) -> str | None:
    """The transformer's path, or its bare name where it came from an existing artifact; None without one."""
    return get(serving_name).transformer


def get_model_server(serving_name: str) -> str:
    """Always "FLASK", Hopsworks' word for its server of Python models."""
    get(serving_name)
    return "FLASK"


def get_serving_tool(serving_name: str) -> str:
    """Always "DEFAULT": there is no other."""
    get(serving_name)
    return "DEFAULT"


def get_available_instances(serving_name: str) -> int | tuple[int, int]:
    """How many replicas are ready; of the predictor and of the transformer where that has its own."""
    found = get(serving_name)
    if not found.has_transformer_replicas:
        return found.replicas_ready
    ready = [each.component for each in current().servings.replicas(serving_name) if each.is_ready]
    return ready.count(PREDICTOR), ready.count(TRANSFORMER)


def get_kafka_topic(serving_name: str) -> str | None:
    """The topic of its inference log, or None when it has none."""
    return get(serving_name).topic


def get_predictor_resource_config(serving_name: str) -> dict[str, Any]:
    """What each replica may use, in Hopsworks' words; memory in MiB."""
    resources = get(serving_name).resources
    return {"memory": resources.memory_mb, "cores": resources.cores, "gpus": resources.gpus}


def describe(serving_name: str) -> str:
    """The serving in a few lines, to print (hops prints it itself)."""
    found = get(serving_name)
    lines = {
        "name": found.name,
        "status": f"{found.status} ({found.replicas_ready} of {found.replicas_in_all} replicas ready)",
        "model": f"{found.model} version {found.model_version}",
        "artifact": str(found.artifact_version),
        "script": found.script,
        "transformer": found.transformer or "",
        "topic": found.topic or "none",
        "url": found.url,
        "failure": found.failure.reason if found.failure else "",
    }
    return "\n".join(f"{label + ':':<13}{text}" for label, text in lines.items() if text)


def scale(serving_name: str, replicas: int) -> Serving:
    """Run so many replicas from now on; requests are answered all the while, and no revision is made."""
    return current().servings.scale(serving_name, replicas)


def canary(serving_name: str, percent: int, **changes: Unpack[Changes]) -> Serving:
    """Try changes, such as another `script`, on `percent` of the requests; without changes give the canary that runs
    another part. See `promote` and `withdraw` for its end.

    Raises Conflict when there is a canary already, NotFound when there is none to change, BadRequest for a setting that
    is wrong.
    """
    return current().servings.canary(serving_name, percent, **changes)


def promote(serving_name: str) -> Serving:
    """Make the canary the current revision. Raises NotFound when there is none."""
    return current().servings.promote(serving_name)


def withdraw(serving_name: str) -> Serving:
    """End the canary; the current revision gets all requests. Raises NotFound when there is none."""
    return current().servings.withdraw(serving_name)


def get_logs(
    serving_name: str,
    *,
    replica: str | None = None,
    search: str | None = None,
    since: datetime | str | None = None,
    tail: int = 200,
) -> list[ReplicaLog]:
    """The last lines of each replica, or of one; with `search`, of the lines that contain it; with `since`, a time
    with its zone, of those written then or later.
    """
    return current().servings.logs(serving_name, replica=replica, search=search, since=since, tail=tail)


def make_inference_request(serving_name: str, data: Any, verb: str = ":predict") -> Any:
    """POST `data` as JSON and return the serving's answer; the verb is :predict, :classify, :regress or :explain."""
    return current().servings.predict(serving_name, data, verb)


def _check_available(model_server: str | None, kfserving: bool | None) -> None:
    if kfserving:
        raise InvalidArgument(
            "kfserving=True is not available: leave it out, the platform needs no KFServing."
        )
    if model_server is not None and model_server not in MODEL_SERVERS:
        raise InvalidArgument(
            f"model_server {model_server!r} is not available: leave it out, and load the model in a script."
        )


def _transformer(path: str | None, instances: int | None) -> Settings:
    if path:
        return {
            "transformer": path,
            "transformer_placement": "separate",
            "transformer_replicas": 1 if instances is None else instances,
        }
    if instances:
        raise InvalidArgument(
            f"transformer_instances={instances} is for a transformer, and there is none: name its script, or leave "
            "both out."
        )
    return {"transformer": ""}


def _batching(enabled: bool | None) -> BatchingSettings:
    if enabled is None:
        return {"mode": "auto"}
    return {"mode": "on" if enabled else "off"}


def _resources(given: dict[str, Any]) -> ResourceSettings:
    if missing := {"memory", "cores"} - given.keys():
        raise InvalidArgument(f"predictor_resource_config lacks {' and '.join(sorted(missing))}.")
    if unknown := given.keys() - {"memory", "cores", "gpus"}:
        raise InvalidArgument(f"predictor_resource_config has no {min(unknown)!r}: memory, cores and gpus.")
    return {"memory_mb": given["memory"], "cores": given["cores"], "gpus": given.get("gpus", 0)}
