"""A serving's settings as users give them, and what can be refused without asking the platform.

The rules are those of Hopsworks' own client, so that a script that passes there passes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from hopyard.client.errors import InvalidArgument
from hopyard.client.paths import in_project, model_of

NAME = re.compile(r"[a-zA-Z0-9]{1,256}")
LOGGING = ("ALL", "MODEL_INPUTS", "PREDICTIONS", "NONE")
BATCHING = ("auto", "on", "off")


class ResourceSettings(TypedDict, total=False):
    """What each replica may use; memory in MiB."""

    cores: float
    memory_mb: int
    gpus: int


class BatchingSettings(TypedDict, total=False):
    """Whether requests that wait are predicted together; `auto` if the model's input example proves that it
    changes no answer. `max_latency_ms` is how long one may wait for others. `enabled` is the older word:
    True is on, False is off, and `mode` counts where both are given."""

    mode: Literal["auto", "on", "off"]
    enabled: bool
    max_batch_size: int
    max_latency_ms: int


class Settings(TypedDict, total=False):
    """What a serving can be told. `model` and `model_version` come from the script's path when not given;
    `topic` is CREATE, NONE or the name of an existing one; `max_concurrency` is how many calls a replica makes
    at a time; `class_name` says which class to serve where the script has several."""

    model: str
    model_version: int
    artifact_version: Literal["CREATE", "MODEL-ONLY"] | int | None
    replicas: int
    resources: ResourceSettings | None
    topic: str
    topic_partitions: int
    topic_replication: int
    inference_logging: str | None
    batching: BatchingSettings
    max_concurrency: int
    class_name: str
    env: dict[str, str]
    description: str


class Changes(Settings, total=False):
    """What an existing serving can be told anew."""

    script: str


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"A serving's name is 1 to 256 letters and digits, and {name!r} is not.")


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as the API takes them. Raises InvalidArgument with a sentence about the first fault."""
    known = Changes.__annotations__.keys()
    if unknown := settings.keys() - known:
        raise InvalidArgument(f"There is no setting {min(unknown)!r}; there are {', '.join(sorted(known))}.")
    found = dict(settings)
    if "script" in found:
        found["script"] = _script(found["script"])
        _check_model(found)
    for field, least in (
        ("model_version", 1),
        ("replicas", 0),
        ("max_concurrency", 1),
        ("topic_partitions", 1),
        ("topic_replication", 1),
    ):
        if field in found:
            _check_whole(field, found[field], least)
    _check_batching(found.get("batching"))
    logging = found.get("inference_logging")
    if logging is not None and logging not in LOGGING:
        raise InvalidArgument(f"inference_logging is one of {', '.join(LOGGING)}, not {logging!r}.")
    return found


def _script(script: object) -> str:
    if not isinstance(script, str) or not script.endswith(".py"):
        raise InvalidArgument(f"The script is a path that ends in .py, and {script!r} does not.")
    return in_project(script)


def _check_model(found: dict[str, Any]) -> None:
    """A script among a version's own files says which version it is."""
    of = model_of(found["script"])
    if of is None:
        return
    model, version = of
    if found.setdefault("model", model) != model or found.setdefault("model_version", version) != version:
        raise InvalidArgument(
            f"{found['script']} belongs to version {version} of {model}, "
            f"and the settings say version {found.get('model_version', version)} of {found['model']}."
        )


def _check_batching(batching: Any) -> None:
    mode = batching.get("mode") if isinstance(batching, dict) else None
    if mode is not None and mode not in BATCHING:
        raise InvalidArgument(f"The mode of batching is one of {', '.join(BATCHING)}, not {mode!r}.")


def _check_whole(field: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidArgument(f"{field} is a whole number from {least}, not {value!r}.")
