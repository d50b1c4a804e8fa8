"""The settings a user gives a serving, checked against the project and turned into a revision."""

import keyword
import re
import secrets
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings as platform

from accounts.models import Project
from models_registry import paths
from models_registry import queries as registry
from models_registry.errors import RegistryError
from models_registry.models import ModelVersion
from models_registry.services import build_artifact
from serving.errors import ServingError
from serving.models import Batching, InferenceLogging, Revision, Serving

CREATE = "CREATE"
NONE = "NONE"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
OWN_TOPIC = r"{name}-inf[0-9]{{4}}"
LEAST_MEMORY_MB = 64
MOST_ENVIRONMENT = 32 * 1024
LONGEST_CLASS_NAME = 100


@dataclass(frozen=True)
class Settings:
    """What a user asks for. `model` and `model_version` may be left to the script's path,
    `Models/<model>/<version>/<file>.py`; `topic` is CREATE, NONE or an existing topic; `class_name` says which
    class of the script to serve where it has several.
    """

    name: str
    script: str
    model: str | None = None
    model_version: int | None = None
    artifact_version: str | int | None = None
    replicas: int = 1
    cores: float = 1.0
    memory_mb: int = 1024
    gpus: int = 0
    class_name: str = ""
    batching: str = Batching.AUTO
    max_batch_size: int = 64
    max_latency_ms: int = 0
    max_concurrency: int = 1
    topic: str = CREATE
    topic_partitions: int = 1
    topic_replication: int = 1
    inference_logging: str = InferenceLogging.ALL
    environment: dict[str, str] = field(default_factory=dict)
    description: str = ""


COPIED = (
    "replicas",
    "cores",
    "memory_mb",
    "gpus",
    "class_name",
    "batching",
    "max_batch_size",
    "max_latency_ms",
    "max_concurrency",
    "topic_partitions",
    "topic_replication",
    "inference_logging",
    "environment",
)
LABELS = {
    "model_version_id": "model version",
    "artifact_id": "model files",
    "script_path": "script",
    "script_id": "script",
    "memory_mb": "memory (MB)",
    "gpus": "GPUs",
    "class_name": "class",
    "max_batch_size": "largest batch",
    "max_latency_ms": "longest wait for a batch (ms)",
    "max_concurrency": "calls at a time",
    "environment": "environment variables",
    "inference_logging": "log of calls",
}
SNAPSHOT = ("model_version_id", "artifact_id", "script_path", "script_id", "topic", *COPIED)


def of(serving: Serving) -> Settings:
    """The settings that would make the serving's current revision again."""
    revision = serving.current
    assert revision is not None
    return Settings(
        name=serving.name,
        description=serving.description,
        script=revision.script_path,
        model=revision.model_version.model.name,
        model_version=revision.model_version.number,
        topic=revision.topic or NONE,
        **{name: getattr(revision, name) for name in COPIED},
    )


def names() -> set[str]:
    return {each.name for each in fields(Settings)}


def label(name: str) -> str:
    """What people call a setting."""
    return LABELS.get(name, name.replace("_", " "))


def revision(project: Project, wanted: Settings, current: Revision | None) -> Revision:
    """An unsaved revision with these settings; raises ServingError with the field that is wrong."""
    script = _script(project, wanted.script)
    version = _version(project, wanted)
    _check_artifact_version(wanted.artifact_version)
    _check_numbers(wanted)
    _check_batching(wanted.batching)
    _check_class_name(wanted.class_name)
    _check_environment(wanted.environment)
    topic = _topic(project, wanted, current)
    return Revision(
        model_version=version,
        artifact=build_artifact(version=version),
        script_path=script.project_path,
        script=script.blob,
        topic=topic,
        **{name: getattr(wanted, name) for name in COPIED},
    )


def same(one: Revision, other: Revision) -> bool:
    """Whether two revisions would run the same thing."""
    return all(getattr(one, name) == getattr(other, name) for name in SNAPSHOT)


def _script(project: Project, path: str) -> Any:
    if not path.endswith(".py"):
        raise ServingError(f"The script must be a Python file; {path!r} does not end in .py.", field="script")
    try:
        return registry.file(project, path)
    except RegistryError:
        raise ServingError(
            f"There is no script {path} in {project}; export it with its model, or upload it to Resources/.",
            field="script",
        ) from None
    except paths.BadPath as error:
        raise ServingError(str(error), field="script") from None


def _version(project: Project, wanted: Settings) -> ModelVersion:
    inside = paths.in_version(paths.project_relative(wanted.script, project.name))
    model = wanted.model or (inside.model if inside else None)
    own_number = inside.number if inside and inside.model == model else None
    number = wanted.model_version or own_number
    if own_number is not None and number != own_number:
        raise ServingError(
            f"The script belongs to version {own_number} of {model}, but version {number} is to be served; "
            f"choose the script of version {number}, or serve version {own_number}.",
            field="model_version",
        )
    if not model:
        raise ServingError(
            "Say which model to serve; it can be left out only for a script at Models/<model>/<version>/<file>.py.",
            field="model",
        )
    try:
        if number is None:
            return registry.latest_version(project, model)
        return registry.version(project, model, number)
    except RegistryError as error:
        is_known = registry.models(project).filter(name=model).exists()
        raise ServingError(str(error), field="model_version" if is_known else "model") from None


def _check_artifact_version(value: str | int | None) -> None:
    if value in {None, "", 0, -1, CREATE, "MODEL-ONLY"}:
        return
    raise ServingError(
        "Without a transformer the artifact version is MODEL-ONLY; leave it out or write MODEL-ONLY.",
        field="artifact_version",
    )


def _check_numbers(wanted: Settings) -> None:
    bounds = {
        "replicas": (1, platform.MAX_REPLICAS),
        "cores": (0.1, platform.MAX_CORES),
        "memory_mb": (LEAST_MEMORY_MB, platform.MAX_MEMORY_MB),
        "gpus": (0, platform.MAX_GPUS),
        "max_batch_size": (1, 10_000),
        "max_latency_ms": (0, 10_000),
        "max_concurrency": (1, 64),
        "topic_partitions": (1, 100),
        "topic_replication": (1, 10),
    }
    for name, (least, most) in bounds.items():
        value = getattr(wanted, name)
        if not least <= value <= most:
            shown = label(name)
            sentence = f"{shown[0].upper()}{shown[1:]} must be between {least} and {most} here, not {value}."
            raise ServingError(sentence, field=name)


def _check_batching(mode: str) -> None:
    if mode not in Batching.values:
        raise ServingError(f"Batching is auto, on or off, not {mode!r}.", field="batching")


def _check_class_name(name: str) -> None:
    if not name:
        return
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > LONGEST_CLASS_NAME:
        raise ServingError(
            f"{name[:LONGEST_CLASS_NAME]!r} cannot be the name of a class; write it as in the script, "
            "or leave it empty.",
            field="class_name",
        )


def _check_environment(environment: dict[str, str]) -> None:
    if sum(len(name) + len(value) for name, value in environment.items()) > MOST_ENVIRONMENT:
        raise ServingError(
            f"The environment variables may have {MOST_ENVIRONMENT // 1024} KB in all; put more into a file.",
            field="environment",
        )
    for name, value in environment.items():
        if not VARIABLE.fullmatch(name) or "\0" in value:
            raise ServingError(f"{name!r} cannot be an environment variable.", field="environment")
        if name.startswith("HOPYARD_"):
            raise ServingError(f"{name} is the platform's own; choose another name.", field="environment")


def _topic(project: Project, wanted: Settings, current: Revision | None) -> str:
    """The topic's name, empty for none. CREATE keeps the topic that an earlier CREATE made."""
    asked = wanted.topic.strip()
    if asked.upper() == NONE or not asked or wanted.inference_logging == InferenceLogging.NONE:
        return ""
    own = re.compile(OWN_TOPIC.format(name=re.escape(_topic_stem(wanted))))
    if asked.upper() == CREATE:
        if current is not None and own.fullmatch(current.topic):
            return current.topic
        return f"{_topic_stem(wanted)}-inf{secrets.randbelow(10_000):04d}"
    if not Revision.objects.filter(serving__project=project, topic=asked).exists():
        raise ServingError(
            f"There is no topic {asked} in {project}; write CREATE for a new one, or NONE.", field="topic"
        )
    return asked


def _topic_stem(wanted: Settings) -> str:
    """A topic is a folder too, and its name has at most 249 characters in Kafka."""
    return wanted.name[:200]
