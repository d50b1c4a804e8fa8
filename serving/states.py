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


class Component(StrEnum):
    """What a replica runs: the predictor, or a transformer in a process of its own."""

    PREDICTOR = "predictor"
    TRANSFORMER = "transformer"


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
class Canary:
    """A revision that gets `percent` of the requests beside the wanted one; `failure` is why it gets none any more."""

    revision: int
    percent: int
    replicas: int
    failure: str | None = None


@dataclass(frozen=True)
class Wanted:
    """The wish: `replicas` of `revision`, 0 meaning stopped.

    `replicas` counts transformers too. `preparing` is what is still being done before the first replica can start,
    empty if nothing; `was_ready` that all its replicas have been ready since the last start, `has_run` that the
    serving was ever started. `failure` is why the platform gave up, `setback` why the last attempt ended while it
    still tries. `is_refused` that its pre-flight keeps it from being started. What a `canary` does is told beside.
    """

    revision: int
    replicas: int
    preparing: str
    was_ready: bool
    has_run: bool
    failure: str | None = None
    setback: str | None = None
    is_refused: bool = False
    canary: Canary | None = None


@dataclass(frozen=True)
class SeenReplica:
    """A living replica; `is_front` says that callers come to it, `complaint` is what its predict path last said, if
    it fails.
    """

    revision: int
    state: ReplicaState
    complaint: str | None = None
    is_front: bool = True


@dataclass(frozen=True)
class Verdict:
    status: Status
    condition: Condition


def derive(wanted: Wanted, seen: Sequence[SeenReplica]) -> Verdict:
    """The overall status and its one-line reason."""
    alive = [replica for replica in seen if replica.state != ReplicaState.EXITED]
    if wanted.replicas == 0:
        return _at_rest(wanted, alive)
    if wanted.canary is None:
        return _running_or_not(wanted, alive)
    number = wanted.canary.revision
    verdict = _running_or_not(wanted, [replica for replica in alive if replica.revision != number])
    beside = _of_canary(wanted.canary, [replica for replica in alive if replica.revision == number])
    return _verdict_with(verdict, f"{verdict.condition.reason}; {beside}")


def unseen(verdict: Verdict, why: str) -> Verdict:
    """The verdict on what was seen last, where nobody can look now; it stands, as replicas answer unseen."""
    condition = Condition(verdict.condition.type, None, f"{why} As last seen: {verdict.condition.reason}")
    return Verdict(verdict.status, condition)


def _running_or_not(wanted: Wanted, alive: Sequence[SeenReplica]) -> Verdict:
    ready = [replica for replica in alive if replica.state == ReplicaState.READY]
    if wanted.failure is not None:
        return _gave_up(wanted, alive, ready)
    new = [replica for replica in ready if replica.revision == wanted.revision]
    old = [replica for replica in alive if replica.revision != wanted.revision]
    if wanted.was_ready and _answers(new):
        return _running(wanted, new)
    if any(replica.state == ReplicaState.READY and replica.is_front for replica in old):
        return _updating(wanted, new, old)
    return _starting(wanted, new, alive)


def _at_rest(wanted: Wanted, alive: Sequence[SeenReplica]) -> Verdict:
    if alive:
        return _verdict(Status.STOPPING, ConditionType.STOPPED, None, f"{_count(len(alive))} finishing")
    if wanted.failure is not None:
        return _verdict(Status.FAILED, ConditionType.STARTED, False, wanted.failure)
    if wanted.has_run:
        return _verdict(Status.STOPPED, ConditionType.STOPPED, True, "Stopped")
    if wanted.preparing:
        return _verdict(Status.CREATING, ConditionType.STOPPED, None, wanted.preparing)
    reason = "Never started; the pre-flight is red" if wanted.is_refused else "Never started; press Run"
    return _verdict(Status.CREATED, ConditionType.STOPPED, True, reason)


def _gave_up(wanted: Wanted, alive: Sequence[SeenReplica], ready: Sequence[SeenReplica]) -> Verdict:
    coming = [replica for replica in alive if replica.revision != wanted.revision and _is_coming(replica)]
    if not _answers(ready) and coming:
        number = coming[0].revision
        reason = f"Revision {number} is starting; the update to revision {wanted.revision} failed: {wanted.failure}"
        return _verdict(Status.STARTING, ConditionType.STARTED, None, reason)
    if not _answers(ready):
        return _verdict(Status.FAILED, ConditionType.STARTED, False, wanted.failure or "")
    answering = next(replica.revision for replica in ready if replica.is_front)
    if answering == wanted.revision:
        return _answering(ready, f"{_of(ready, wanted)}; {wanted.failure}")
    reason = (
        f"Revision {answering} answers; the update to revision {wanted.revision} failed: {wanted.failure}"
    )
    return _answering(ready, reason)


def _running(wanted: Wanted, new: Sequence[SeenReplica]) -> Verdict:
    return _answering(new, _of(new, wanted))


def _answering(ready: Sequence[SeenReplica], reason: str) -> Verdict:
    """Running; but not called ready if every replica that callers come to fails its predictions."""
    complaints = [replica.complaint for replica in ready if replica.complaint]
    is_fine = any(not replica.complaint for replica in ready if replica.is_front)
    return _verdict(Status.RUNNING, ConditionType.READY, is_fine, "; ".join([reason, *complaints[:1]]))


def _updating(wanted: Wanted, new: Sequence[SeenReplica], old: Sequence[SeenReplica]) -> Verdict:
    answering = next(
        replica.revision for replica in old if replica.state == ReplicaState.READY and replica.is_front
    )
    news = wanted.preparing or f"{_of(new, wanted)} for revision {wanted.revision}"
    reason = f"Revision {answering} answers; {news[0].lower()}{news[1:]}"
    return _verdict(Status.UPDATING, ConditionType.STARTED, None, reason)


def _starting(wanted: Wanted, new: Sequence[SeenReplica], alive: Sequence[SeenReplica]) -> Verdict:
    if wanted.preparing:
        return _verdict(Status.STARTING, ConditionType.SCHEDULED, None, wanted.preparing)
    if wanted.setback is not None:
        return _verdict(Status.STARTING, ConditionType.STARTED, None, f"Trying again after: {wanted.setback}")
    if wanted.was_ready:
        return _verdict(Status.STARTING, ConditionType.STARTED, None, "Replacing the replicas that ended")
    if not alive:
        return _verdict(Status.STARTING, ConditionType.SCHEDULED, None, "Waiting for the worker")
    return _verdict(
        Status.STARTING, ConditionType.INITIALIZED, None, f"Loading the model; {_of(new, wanted)}"
    )


def _of_canary(canary: Canary, alive: Sequence[SeenReplica]) -> str:
    if canary.failure is not None:
        return f"the canary, revision {canary.revision}, failed and gets no requests: {canary.failure}"
    ready = [replica for replica in alive if replica.state == ReplicaState.READY]
    number = f"{len(ready)} of {_count(canary.replicas)} ready"
    if not _answers(ready):
        return f"the canary, revision {canary.revision}, gets no requests yet, {number}"
    return f"the canary, revision {canary.revision}, gets {canary.percent} %, {number}"


def _verdict_with(verdict: Verdict, reason: str) -> Verdict:
    return _verdict(verdict.status, verdict.condition.type, verdict.condition.status, reason)


def _answers(ready: Sequence[SeenReplica]) -> bool:
    return any(replica.is_front for replica in ready)


def _is_coming(replica: SeenReplica) -> bool:
    return replica.state == ReplicaState.STARTING


def _verdict(status: Status, type_: ConditionType, so: bool | None, reason: str) -> Verdict:
    return Verdict(status, Condition(type_, so, reason))


def _of(ready: Sequence[SeenReplica], wanted: Wanted) -> str:
    return f"{len(ready)} of {_count(wanted.replicas)} ready"


def _count(number: int) -> str:
    return f"{number} replica" if number == 1 else f"{number} replicas"
