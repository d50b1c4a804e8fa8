"""The status of a serving, as one pure and total function of the facts; nothing else assigns it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Hopsworks' words, in its capitals."""

    CREATING = "Creating"
    CREATED = "Created"
    STARTING = "Starting"
    RUNNING = "Running"
    IDLE = "Idle"
    UPDATING = "Updating"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"


class ConditionType(StrEnum):
    """How far a start has come; the words and their order are Hopsworks'."""

    STOPPED = "STOPPED"
    SCHEDULED = "SCHEDULED"
    INITIALIZED = "INITIALIZED"
    STARTED = "STARTED"
    READY = "READY"


class ReplicaState(StrEnum):
    STARTING = "Starting"
    READY = "Ready"
    STOPPING = "Stopping"
    EXITED = "Exited"


@dataclass(frozen=True)
class Condition:
    """`status` is True (so), False (tried and failed) or None (under way)."""

    type: ConditionType
    status: bool | None
    reason: str


@dataclass(frozen=True)
class Wanted:
    """The wish: `replicas` of `revision`, 0 meaning stopped.

    `is_built` says that the revision's artifact exists, `was_ready` that all its replicas have been ready
    since the last start, `has_run` that the serving was ever started. `failure` is why the platform gave up,
    `setback` why the last attempt ended while it still tries.
    """

    revision: int
    replicas: int
    is_built: bool
    was_ready: bool
    has_run: bool
    failure: str | None = None
    setback: str | None = None


@dataclass(frozen=True)
class SeenReplica:
    """A living replica; `complaint` is what its predict path last said, if it fails."""

    revision: int
    state: ReplicaState
    complaint: str | None = None


@dataclass(frozen=True)
class Verdict:
    status: Status
    condition: Condition


def derive(wanted: Wanted, seen: Sequence[SeenReplica]) -> Verdict:
    """The overall status and its one-line reason."""
    alive = [replica for replica in seen if replica.state != ReplicaState.EXITED]
    if wanted.replicas == 0:
        return _at_rest(wanted, alive)
    ready = [replica for replica in alive if replica.state == ReplicaState.READY]
    if wanted.failure is not None:
        return _gave_up(wanted, alive, ready)
    new = [replica for replica in ready if replica.revision == wanted.revision]
    old = [replica for replica in alive if replica.revision != wanted.revision]
    if wanted.was_ready and new:
        return _running(wanted, new)
    if any(replica.state == ReplicaState.READY for replica in old):
        return _updating(wanted, new, old)
    return _starting(wanted, new, alive)


def _at_rest(wanted: Wanted, alive: Sequence[SeenReplica]) -> Verdict:
    if alive:
        return _verdict(Status.STOPPING, ConditionType.STOPPED, None, f"{_count(len(alive))} finishing")
    if wanted.failure is not None:
        return _verdict(Status.FAILED, ConditionType.STARTED, False, wanted.failure)
    if wanted.has_run:
        return _verdict(Status.STOPPED, ConditionType.STOPPED, True, "Stopped")
    if not wanted.is_built:
        return _verdict(Status.CREATING, ConditionType.STOPPED, None, "Building the artifact")
    return _verdict(Status.CREATED, ConditionType.STOPPED, True, "Never started; press Run")


def _gave_up(wanted: Wanted, alive: Sequence[SeenReplica], ready: Sequence[SeenReplica]) -> Verdict:
    coming = [replica for replica in alive if replica.revision != wanted.revision and _is_coming(replica)]
    if not ready and coming:
        number = coming[0].revision
        reason = f"Revision {number} is starting; the update to revision {wanted.revision} failed: {wanted.failure}"
        return _verdict(Status.STARTING, ConditionType.STARTED, None, reason)
    if not ready:
        return _verdict(Status.FAILED, ConditionType.STARTED, False, wanted.failure or "")
    answering = ready[0].revision
    if answering == wanted.revision:
        return _verdict(Status.RUNNING, ConditionType.READY, True, f"{_of(ready, wanted)}; {wanted.failure}")
    reason = (
        f"Revision {answering} answers; the update to revision {wanted.revision} failed: {wanted.failure}"
    )
    return _verdict(Status.RUNNING, ConditionType.READY, True, reason)


def _running(wanted: Wanted, new: Sequence[SeenReplica]) -> Verdict:
    complaints = [replica.complaint for replica in new if replica.complaint]
    reason = "; ".join([_of(new, wanted), *complaints[:1]])
    return _verdict(Status.RUNNING, ConditionType.READY, len(complaints) < len(new), reason)


def _updating(wanted: Wanted, new: Sequence[SeenReplica], old: Sequence[SeenReplica]) -> Verdict:
    answering = next(replica.revision for replica in old if replica.state == ReplicaState.READY)
    reason = f"Revision {answering} answers; {_of(new, wanted)} for revision {wanted.revision}"
    return _verdict(Status.UPDATING, ConditionType.STARTED, None, reason)


def _starting(wanted: Wanted, new: Sequence[SeenReplica], alive: Sequence[SeenReplica]) -> Verdict:
    if not wanted.is_built:
        return _verdict(Status.STARTING, ConditionType.SCHEDULED, None, "Building the artifact")
    if wanted.setback is not None:
        return _verdict(Status.STARTING, ConditionType.STARTED, None, f"Trying again after: {wanted.setback}")
    if wanted.was_ready:
        return _verdict(Status.STARTING, ConditionType.STARTED, None, "Replacing the replicas that ended")
    if not alive:
        return _verdict(Status.STARTING, ConditionType.SCHEDULED, None, "Waiting for the worker")
    return _verdict(
        Status.STARTING, ConditionType.INITIALIZED, None, f"Loading the model; {_of(new, wanted)}"
    )


def _is_coming(replica: SeenReplica) -> bool:
    return replica.state == ReplicaState.STARTING


def _verdict(status: Status, type_: ConditionType, so: bool | None, reason: str) -> Verdict:
    return Verdict(status, Condition(type_, so, reason))


def _of(ready: Sequence[SeenReplica], wanted: Wanted) -> str:
    return f"{len(ready)} of {_count(wanted.replicas)} ready"


def _count(number: int) -> str:
    return f"{number} replica" if number == 1 else f"{number} replicas"
