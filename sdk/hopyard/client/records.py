"""What the platform answers with, as frozen dataclasses. All times carry their zone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class StoredFile:
    """One file of `size` bytes; `path` starts with Resources/ or Models/, or is inside its model version."""

    path: str
    size: int = 0
    sha256: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One immutable version of a model; `servings` are the names that serve it. Size in bytes."""

    model: str
    version: int
    description: str = ""
    framework: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    files: list[StoredFile] = field(default_factory=list)
    servings: list[str] = field(default_factory=list)
    created_by: str = ""
    created_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where its files are in the project: scripts are named by `<path>/<file>`."""
        return f"Models/{self.model}/{self.version}"


@dataclass(frozen=True)
class Model:
    """A named model; in a list of models without the versions themselves."""

    name: str
    latest: int | None = None
    version_count: int = 0
    versions: list[ModelVersion] = field(default_factory=list)
    created_at: datetime | None = None


@dataclass(frozen=True)
class Failure:
    """Why a serving is not what was asked for: a stable code, a sentence, and what was seen."""

    code: str
    reason: str = ""
    evidence: str = ""
    attempt: int | None = None


@dataclass(frozen=True)
class Condition:
    """The one-line reason behind a status."""

    type: str = ""
    status: str | bool | None = None
    reason: str = ""


@dataclass(frozen=True)
class Resources:
    """What each replica may use; memory in MiB."""

    cores: float = 1.0
    memory_mb: int = 1024
    gpus: int = 0


@dataclass(frozen=True)
class Batching:
    """Whether requests that wait are predicted together: `mode` is auto, on or off; `enabled` means not off.
    `max_batch_size` counts rows."""

    mode: str = "auto"
    enabled: bool = True
    max_batch_size: int = 64
    max_latency_ms: int = 0


@dataclass(frozen=True)
class Serving:
    """A serving as it is now.

    `status` is one of Creating, Created, Starting, Running, Idle, Updating, Stopping, Stopped, Failed.
    `url` is its address under the platform's own, `direct_url` the one on a port of its own.
    """

    name: str
    status: str
    id: int | None = None
    project: str = ""
    condition: Condition = field(default_factory=Condition)
    failure: Failure | None = None
    revision: int | None = None
    model: str = ""
    model_version: int | None = None
    artifact_version: str | int = "MODEL-ONLY"
    script: str = ""
    replicas: int = 1
    replicas_ready: int = 0
    wanted_replicas: int = 0
    resources: Resources = field(default_factory=Resources)
    topic: str | None = None
    inference_logging: str | None = None
    batching: Batching = field(default_factory=Batching)
    max_concurrency: int = 1
    class_name: str = ""
    env: dict[str, str] = field(default_factory=dict)
    description: str = ""
    url: str = ""
    direct_url: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deployed_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        """It answers predictions; Idle is Running with no replica until the first request."""
        return self.status in ("Running", "Idle")


@dataclass(frozen=True)
class Replica:
    """One running copy, or one that ran: `exit` says how it ended. `complaint` is its last bad probe."""

    name: str
    state: str = ""
    revision: int | None = None
    slot: int = 0
    attempt: int = 0
    address: str = ""
    place: str = ""
    complaint: str = ""
    exit: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class ReplicaLog:
    """The last lines one replica wrote."""

    name: str
    content: str = ""


@dataclass(frozen=True)
class Revision:
    """One immutable set of settings of a serving, numbered from 1; the digests say which bytes run."""

    revision: int
    model: str = ""
    model_version: int | None = None
    artifact_version: str | int = "MODEL-ONLY"
    artifact_digest: str | None = None
    script: str = ""
    script_sha256: str = ""
    replicas: int = 1
    resources: Resources = field(default_factory=Resources)
    batching: Batching = field(default_factory=Batching)
    max_concurrency: int = 1
    class_name: str = ""
    topic: str | None = None
    inference_logging: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class ServingEvent:
    """Something that happened to a serving, and who did it."""

    kind: str
    text: str = ""
    actor: str = ""
    status: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


def to_json(record: Any) -> Any:
    """A record, or a list of them, as plain JSON values."""
    if isinstance(record, list):
        return [to_json(each) for each in record]
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return to_json(dataclasses.asdict(record))
    if isinstance(record, dict):
        return {name: to_json(value) for name, value in record.items()}
    return record.isoformat() if isinstance(record, datetime) else record
