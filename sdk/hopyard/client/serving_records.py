"""What the platform tells of servings, as frozen dataclasses. All times carry their zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PREDICTOR = "predictor"
TRANSFORMER = "transformer"


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
class Check:
    """One thing a pre-flight looks at; `state` is waiting, running, passed, failed or skipped."""

    name: str
    title: str = ""
    state: str = "waiting"
    sentence: str = ""
    code: str = ""
    evidence: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Preflight:
    """What checking a script in a throw-away process found; `state` is waiting, running, passed or failed."""

    id: int | None = None
    state: str = "waiting"
    checks: list[Check] = field(default_factory=list)
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        return self.state in ("passed", "failed")

    @property
    def has_passed(self) -> bool:
        return self.state == "passed"

    @property
    def failed_checks(self) -> list[Check]:
        return [check for check in self.checks if check.state == "failed"]


@dataclass(frozen=True)
class Resources:
    """What each replica may use; memory in MiB."""

    cores: float = 1.0
    memory_mb: int = 1024
    gpus: int = 0


@dataclass(frozen=True)
class TransformerResources:
    """What each replica of a transformer may use; memory in MiB."""

    cores: float = 1.0
    memory_mb: int = 512


@dataclass(frozen=True)
class Batching:
    """Whether requests that wait are predicted together: `mode` is auto, on or off; `enabled` means not off.
    `max_batch_size` counts rows."""

    mode: str = "auto"
    enabled: bool = True
    max_batch_size: int = 64
    max_latency_ms: int = 0


@dataclass(frozen=True)
class Canary:
    """The revision that gets `percent` of the requests beside the current one; `failure` says why it gets none now."""

    revision: int
    percent: int = 0
    replicas: int = 1
    replicas_ready: int = 0
    failure: Failure | None = None


@dataclass(frozen=True)
class Serving:
    """A serving as it is now.

    `status` is one of Creating, Created, Starting, Running, Idle, Updating, Stopping, Stopped, Failed.
    `alias` is the alias it follows, empty for none. `artifact_version` is MODEL-ONLY or the number of the artifact
    that its transformer made, `environment` the key of its packages, None until they are resolved.
    `requirements` are empty where it runs in the platform's own packages. `preflight` is that of its newest revision.
    `url` is its address under the platform's own, `direct_url` the one on a port of its own.

    `replicas` is the number in force, and `scale` that asked for by hand, None for the revision's own. An update runs
    at most `surge` replicas more than wanted (0: a whole second set) and waits `pace_seconds` after each new one.
    `deployer` is where it runs, empty for the installation's choice; `exemptions` what its containers may do beyond
    the default: egress, writable-root, root-user.
    """

    name: str
    status: str
    id: int | None = None
    project: str = ""
    condition: Condition = field(default_factory=Condition)
    failure: Failure | None = None
    preflight: Preflight | None = None
    revision: int | None = None
    model: str = ""
    model_version: int | None = None
    alias: str = ""
    artifact_version: str | int = "MODEL-ONLY"
    artifact_digest: str | None = None
    script: str = ""
    transformer: str | None = None
    transformer_placement: str = "separate"
    transformer_replicas: int = 1
    transformer_resources: TransformerResources = field(default_factory=TransformerResources)
    python: str = ""
    requirements: str = ""
    requirements_path: str = ""
    environment: str | None = None
    replicas: int = 1
    replicas_ready: int = 0
    wanted_replicas: int = 0
    scale: int | None = None
    surge: int = 0
    pace_seconds: int = 0
    canary: Canary | None = None
    exemptions: list[str] = field(default_factory=list)
    deployer: str = ""
    resources: Resources = field(default_factory=Resources)
    topic: str | None = None
    topic_partitions: int = 1
    topic_replication: int = 1
    inference_logging: str | None = None
    sampling_percent: float = 100.0
    record_format: str = "avro"
    redaction: list[dict[str, str]] = field(default_factory=list)
    events_url: str = ""
    input_topic: str = ""
    output_topic: str = ""
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

    @property
    def has_transformer_replicas(self) -> bool:
        """Its transformer runs in replicas of its own, which callers then come to first."""
        return bool(self.transformer) and self.transformer_placement == "separate"

    @property
    def replicas_in_all(self) -> int:
        """Replicas of the predictor and, where it has its own, of the transformer."""
        return self.replicas + (self.transformer_replicas if self.has_transformer_replicas else 0)


@dataclass(frozen=True)
class LogCounts:
    """What became of a replica's inference records: `sent`, `spilled` to disk and `dropped` so far; `waiting` now."""

    sent: int = 0
    spilled: int = 0
    dropped: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Replica:
    """One running copy, or one that ran: `exit` says how it ended. `complaint` is its last bad probe.

    `component` is predictor, or transformer for one in a process of its own.
    """

    name: str
    state: str = ""
    revision: int | None = None
    component: str = PREDICTOR
    slot: int = 0
    attempt: int = 0
    deployer: str = "local"
    address: str = ""
    place: str = ""
    complaint: str = ""
    log_counts: LogCounts = field(default_factory=LogCounts)
    exit: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_ready(self) -> bool:
        return self.state == "Ready" and self.ended_at is None


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
    alias: str = ""
    artifact_version: str | int = "MODEL-ONLY"
    artifact_digest: str | None = None
    script: str = ""
    script_sha256: str = ""
    transformer: str | None = None
    transformer_sha256: str | None = None
    transformer_placement: str = "separate"
    transformer_replicas: int = 1
    transformer_resources: TransformerResources = field(default_factory=TransformerResources)
    python: str = ""
    requirements: str = ""
    requirements_path: str = ""
    environment: str | None = None
    replicas: int = 1
    resources: Resources = field(default_factory=Resources)
    deployer: str = ""
    batching: Batching = field(default_factory=Batching)
    max_concurrency: int = 1
    class_name: str = ""
    topic: str | None = None
    topic_partitions: int = 1
    topic_replication: int = 1
    inference_logging: str | None = None
    sampling_percent: float = 100.0
    record_format: str = "avro"
    redaction: list[dict[str, str]] = field(default_factory=list)
    events_url: str = ""
    input_topic: str = ""
    output_topic: str = ""
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
