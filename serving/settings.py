"""The settings a user gives a serving, and which columns of a revision they become."""

from dataclasses import dataclass, field, fields

from serving.models import Batching, InferenceLogging, Placement, RecordFormat, Revision, Serving

CREATE = "CREATE"
MODEL_ONLY = "MODEL-ONLY"
NONE = "NONE"


@dataclass(frozen=True)
class Settings:
    """What a user asks for. `model` and `model_version` may be left to the script's path,
    `Models/<model>/<version>/<file>.py`; `alias` follows an alias of the model instead of a version; `topic` is
    CREATE, NONE or an existing topic; `class_name` says which class of the script to serve where it has several.

    `requirements` is the text of a requirements.txt; empty: the file of that name beside the script, or else the
    platform's own packages. `python` is a version such as 3.12, empty for the platform's own.
    `deployer` is where its replicas run: local, docker or swarm, empty for the installation's own choice.
    `transformer` is the path of a script, or the bare name of the one in the numbered artifact that is asked for.
    """

    name: str
    script: str
    model: str | None = None
    model_version: int | None = None
    alias: str = ""
    artifact_version: str | int | None = None
    transformer: str = ""
    transformer_placement: str = Placement.SEPARATE
    transformer_replicas: int = 1
    transformer_cores: float = 1.0
    transformer_memory_mb: int = 512
    python: str = ""
    requirements: str = ""
    replicas: int = 1
    cores: float = 1.0
    memory_mb: int = 1024
    gpus: int = 0
    deployer: str = ""
    class_name: str = ""
    batching: str = Batching.AUTO
    max_batch_size: int = 64
    max_latency_ms: int = 0
    max_concurrency: int = 1
    topic: str = CREATE
    topic_partitions: int = 1
    topic_replication: int = 1
    inference_logging: str = InferenceLogging.ALL
    sampling_percent: float = 100.0
    record_format: str = RecordFormat.AVRO
    redaction: list[dict[str, str]] = field(default_factory=list)
    events_url: str = ""
    input_topic: str = ""
    output_topic: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    description: str = ""


COPIED = (
    "alias",
    "transformer_placement",
    "transformer_replicas",
    "transformer_cores",
    "transformer_memory_mb",
    "replicas",
    "cores",
    "memory_mb",
    "gpus",
    "deployer",
    "class_name",
    "batching",
    "max_batch_size",
    "max_latency_ms",
    "max_concurrency",
    "topic_partitions",
    "topic_replication",
    "inference_logging",
    "sampling_percent",
    "record_format",
    "redaction",
    "events_url",
    "input_topic",
    "output_topic",
    "variables",
)
LABELS = {
    "model_version_id": "model version",
    "artifact_id": "model files",
    "script_path": "script",
    "script_id": "script",
    "transformer_path": "transformer",
    "transformer_id": "transformer",
    "transformer_placement": "place of the transformer",
    "transformer_replicas": "replicas of the transformer",
    "transformer_cores": "cores of the transformer",
    "transformer_memory_mb": "memory of the transformer (MB)",
    "python": "Python",
    "requirements_path": "requirements",
    "resolution_id": "requirements",
    "environment_id": "packages",
    "memory_mb": "memory (MB)",
    "gpus": "GPUs",
    "deployer": "place of the replicas",
    "class_name": "class",
    "max_batch_size": "largest batch",
    "max_latency_ms": "longest wait for a batch (ms)",
    "max_concurrency": "calls at a time",
    "variables": "environment variables",
    "inference_logging": "log of calls",
    "sampling_percent": "recorded calls (%)",
    "record_format": "format of records",
    "redaction": "what is left out of records",
    "events_url": "address for CloudEvents",
}
WISHED = (
    "model_version_id",
    "script_path",
    "script_id",
    "transformer_path",
    "transformer_id",
    "python",
    "requirements",
    "requirements_path",
    "topic",
    *COPIED,
)
SOURCES = frozenset(
    {
        "script",
        "model",
        "model_version",
        "alias",
        "artifact_version",
        "transformer",
        "python",
        "requirements",
    }
)
"""The settings that say which files and packages run; an edit of others keeps the very same ones."""
MADE = ("artifact_id", "resolution_id", "environment_id")
FOUND_OUT = {"python", "environment_id"}
SNAPSHOT = (*WISHED, *MADE)
"""Every column that decides what runs: what was asked for, and what was made of it."""


def of(serving: Serving) -> Settings:
    """The settings in force: those that would make the current revision again, and the number it was scaled to."""
    revision = serving.current
    return Settings(
        name=serving.name,
        description=serving.description,
        script=revision.script_path,
        model=revision.model_version.model.name,
        model_version=None if revision.alias else revision.model_version.number,
        transformer=revision.transformer_path,
        python=revision.python,
        requirements="" if revision.requirements_path else revision.requirements,
        topic=revision.topic or NONE,
        **{name: getattr(revision, name) for name in COPIED}
        | {"replicas": replicas(revision, serving.scale)},
    )


def replicas(revision: Revision, scale: int | None) -> int:
    """How many replicas of a revision are to run: what was asked for by hand since, or what it says itself.

    Whatever scales by itself one day changes `Serving.scale`, as a hand does.
    """
    return revision.replicas if scale is None else scale


def names() -> set[str]:
    return {each.name for each in fields(Settings)}


def differing(one: Settings, other: Settings) -> set[str]:
    """The names of the settings that are not the same."""
    return {name for name in names() if getattr(one, name) != getattr(other, name)}


def label(name: str) -> str:
    """What people call a setting."""
    return LABELS.get(name, name.replace("_", " "))


def same(one: Revision, other: Revision) -> bool:
    """Whether two revisions ask for the same thing and start from the same files and packages."""
    return not changed(one, other)


def differ_in_more_than_number(one: Revision, other: Revision) -> bool:
    """Whether other things are to run, and not only another number of the same."""
    return any(name != "replicas" for name in changed(one, other))


def changed(one: Revision, other: Revision) -> list[str]:
    """The columns in which two revisions differ; what has not been found out for one of them is no difference."""
    found = [name for name in SNAPSHOT if getattr(one, name) != getattr(other, name)]
    return [name for name in found if name not in FOUND_OUT or (getattr(one, name) and getattr(other, name))]
