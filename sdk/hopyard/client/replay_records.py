"""What the platform tells of replays, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hopyard.client.serving_records import Failure


@dataclass(frozen=True)
class Replay:
    """A selection of a serving's recorded calls, asked again of `revision`; `state` is waiting, running, done, failed.

    `skipped` counts by reason the calls that could not be asked again. `summary` has calls, differing, failing,
    largest_change and, in microseconds, the p50, p95 and p99 of old_us (recorded) and new_us.
    """

    id: int
    revision: int = 0
    selection: dict[str, str] = field(default_factory=dict)
    most: int = 0
    tolerance: float = 0.0
    state: str = "waiting"
    step: str = ""
    failure: Failure | None = None
    total: int = 0
    asked: int = 0
    differing: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        return self.state in ("done", "failed")


@dataclass(frozen=True)
class ReplayedCall:
    """One call: what was answered when it was recorded, and what now; `difference` says in words where they differ."""

    request_id: str
    requested_at: datetime | None = None
    revision: int = 0
    verb: str = ""
    inputs: str = ""
    status: int = 0
    outputs: str = ""
    duration_us: int = 0
    new_status: int = 0
    new_outputs: str = ""
    new_duration_us: int = 0
    differs: bool = False
    difference: str = ""
    largest_change: float | None = None
