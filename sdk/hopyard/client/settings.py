"""A serving's settings as users give them, and what can be refused without asking the platform.

The rules are those of Hopsworks' own client, so that a script that passes there passes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from hopyard.client.errors import InvalidArgument
from hopyard.client.paths import in_project, model_of
from hopyard.client.redaction import RedactionRule, check_redaction

NAME = re.compile(r"[a-zA-Z0-9]{1,256}")
LOGGING = ("ALL", "MODEL_INPUTS", "PREDICTIONS", "NONE")
FORMATS = ("avro", "mlrun")
BATCHING = ("auto", "on", "off")
LEAST = {
    "model_version": 1,
    "replicas": 0,
    "transformer_replicas": 1,
    "max_concurrency": 1,
    "topic_partitions": 1,
    "topic_replication": 1,
}
PLACEMENTS = ("separate", "inline")
DEPLOYERS = ("", "local", "docker", "swarm")
ARTIFACTS = ("CREATE", "MODEL-ONLY")


class ResourceSettings(TypedDict, total=False):
    """What each replica may use; memory in MiB."""

    cores: float
    memory_mb: int
    gpus: int


class TransformerResourceSettings(TypedDict, total=False):
    """What each replica of a transformer may use; memory in MiB."""

    cores: float
    memory_mb: int


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
    with an `alias` the serving follows that alias of the model, and a script of the model's own is taken from the
    version it stands for. `topic` is CREATE, NONE or the name of an existing one; `max_concurrency` is how many calls
    a replica makes at a time; `class_name` says which class to serve where the script has several.

    `transformer` is the path of a script with a `Transformer`, empty for none; it runs in replicas of its own
    (`separate`) or in the predictor's process (`inline`). With a number as `artifact_version` the transformer is the
    bare name of the one in that artifact. `python` is such as "3.12"; `requirements` is the text of a
    requirements.txt, `requirements_file` the path of one on this machine. Without either, the one beside the script
    counts, or else the platform's own packages. `deployer` is where it runs, if the installation offers a choice.

    Of every hundred calls `sampling_percent` are recorded in the topic, as Avro or in MLRun's format, without what the
    rules of `redaction` name; `events_url` gets them as CloudEvents. Requests from `input_topic` are answered into
    `output_topic`; empty: none."""

    model: str
    model_version: int
    alias: str
    artifact_version: Literal["CREATE", "MODEL-ONLY"] | int | None
    transformer: str | None
    transformer_placement: Literal["separate", "inline"]
    transformer_replicas: int
    transformer_resources: TransformerResourceSettings
    python: str
    requirements: str
    requirements_file: str | Path
    replicas: int
    resources: ResourceSettings | None
    deployer: Literal["", "local", "docker", "swarm"]
    topic: str
    topic_partitions: int
    topic_replication: int
    inference_logging: str | None
    sampling_percent: float
    record_format: Literal["avro", "mlrun"]
    redaction: list[RedactionRule]
    events_url: str
    input_topic: str
    output_topic: str
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
        found["script"] = _python_file("script", found["script"])
        _check_model(found)
    if found.get("transformer"):
        found["transformer"] = _python_file("transformer", found["transformer"])
    for field, least in LEAST.items():
        if field in found:
            check_whole(field, found[field], least)
    _check_artifact(found.get("artifact_version"))
    _check_python(found.get("python"))
    _check_batching(found.get("batching"))
    _check_word("inference_logging", found.get("inference_logging"), LOGGING)
    _check_word("record_format", found.get("record_format"), FORMATS)
    _check_sampling(found.get("sampling_percent"))
    if found.get("redaction") is not None:
        check_redaction(found["redaction"])
    _check_word("transformer_placement", found.get("transformer_placement"), PLACEMENTS)
    _check_word("deployer", found.get("deployer"), DEPLOYERS)
    return found


def _python_file(what: str, path: object) -> str:
    if not isinstance(path, str) or not path.endswith(".py"):
        raise InvalidArgument(f"The {what} is a path that ends in .py, and {path!r} does not.")
    return in_project(path)


def _check_model(found: dict[str, Any]) -> None:
    """A script among a version's own files says which version it is, unless an alias does."""
    of = model_of(found["script"])
    if of is None:
        return
    model, version = of
    if found.get("alias"):
        found.setdefault("model", model)
    elif found.setdefault("model", model) != model or found.setdefault("model_version", version) != version:
        raise InvalidArgument(
            f"{found['script']} belongs to version {version} of {model}, "
            f"and the settings say version {found.get('model_version', version)} of {found['model']}."
        )


def _check_batching(batching: Any) -> None:
    mode = batching.get("mode") if isinstance(batching, dict) else None
    if mode is not None and mode not in BATCHING:
        raise InvalidArgument(f"The mode of batching is one of {', '.join(BATCHING)}, not {mode!r}.")


def _check_artifact(asked: object) -> None:
    is_word = isinstance(asked, str) and (asked.upper() in ARTIFACTS or asked.isdecimal())
    is_number = (
        isinstance(asked, int) and not isinstance(asked, bool) and asked >= -1
    )  # hops' word for CREATE
    if asked is not None and not is_word and not is_number:
        raise InvalidArgument(f"artifact_version is CREATE, MODEL-ONLY or a number, not {asked!r}.")


def _check_python(asked: object) -> None:
    if asked is not None and not isinstance(asked, str):
        raise InvalidArgument(
            f'python is a text such as "3.12" (3.10 as a number would be 3.1), not {asked!r}.'
        )


def _check_sampling(percent: object) -> None:
    if percent is None:
        return
    if not isinstance(percent, int | float) or isinstance(percent, bool) or not 0 < percent <= 100:
        raise InvalidArgument(f"sampling_percent is a number above 0 and up to 100, not {percent!r}.")


def _check_word(field: str, said: object, words: tuple[str, ...]) -> None:
    if said is not None and said not in words:
        raise InvalidArgument(f"{field} is one of {', '.join(words)}, not {said!r}.")


def check_percent(percent: object) -> None:
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
        raise InvalidArgument(f"percent is a whole number from 0 to 100, not {percent!r}.")


def check_whole(field: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidArgument(f"{field} is a whole number from {least}, not {value!r}.")
