"""Compares what a deployer sees with the replica rows: what lives, what changed, what failed."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from serving.models import Replica, Revision, Serving
from serving.states import Component, ReplicaState
from worker import failures, log_counts, looking
from worker.deployers.base import Deployer, Phase, ReplicaStatus
from worker.failures import Failure
from worker.probe import Answer, probe
from worker.rollout import Slot

PREDICTORS_FOUND_WITHIN = timedelta(seconds=30)
LATENESS_FORGIVEN = timedelta(seconds=5)
LIVING = (ReplicaState.STARTING, ReplicaState.READY, ReplicaState.STOPPING)


@dataclass
class Observation:
    """Unsaved news: the rows of living replicas, the rows that differ from the database, the failures, and the
    names of all replicas that ended. `blindness` is why some living ones could not be looked at, and stand as
    they were, or why nothing can be started now.
    """

    living: list[Replica] = field(default_factory=list)
    changed: list[Replica] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    blindness: str = ""

    def leave(self, staying: Collection[tuple[int, Slot]]) -> set[str]:
        """Mark the living replicas that are in none of these slots of revisions as stopping, so that nobody sends
        them requests any more; the names of those that were not before.
        """
        leaving = [
            each
            for each in self.living
            if each.state != ReplicaState.STOPPING and place_of(each) not in staying
        ]
        for replica in leaving:
            replica.state = ReplicaState.STOPPING
            if replica not in self.changed:
                self.changed.append(replica)
        return {replica.name for replica in leaving}


def place_of(replica: Replica) -> tuple[int, Slot]:
    return replica.revision, (Component(replica.component), replica.slot)


def observe(serving: Serving, deployer: Deployer) -> Observation:
    seen = Observation()
    look = looking.look(serving, deployer)
    statuses = look.statuses
    rows = {replica.name: replica for replica in serving.replicas.all()}
    answers = probe(status.address for status in statuses if status.phase == Phase.ALIVE and status.address)
    known = {row.name for row in rows.values() if row.state == ReplicaState.EXITED}
    seen.ended = known | {status.name for status in statuses if status.phase == Phase.EXITED}
    for status in statuses:
        row = rows.pop(status.name, None)
        _compare(serving, deployer, seen, _Pair(row, status, answers.get(status.address)))
    for row in rows.values():
        if row.state in LIVING and look.is_blind_to(row):
            seen.living.append(row)
            if row.state != ReplicaState.STOPPING:
                seen.blindness = look.reason
        elif row.state in LIVING:
            _end(seen, row, "vanished")
            _fail(serving, deployer, seen, row, None)
            seen.ended.add(row.name)
    return seen


@dataclass
class _Pair:
    row: Replica | None
    status: ReplicaStatus
    answer: Answer | None


def _compare(serving: Serving, deployer: Deployer, seen: Observation, pair: _Pair) -> None:
    status = pair.status
    row = pair.row or _new_row(serving, status)
    if row.state == ReplicaState.EXITED:
        return
    before = _shown(row)
    row.address, row.place = status.address, status.place or row.place
    if status.phase == Phase.EXITED:
        was_asked = row.state == ReplicaState.STOPPING or (status.exit is not None and status.exit.was_asked)
        if not was_asked:
            _fail(serving, deployer, seen, row, status)
        _end(seen, row, row.exit or ("stopped" if was_asked else _how(status)))
        return
    _set_state(serving, deployer, seen, row, pair)
    if pair.answer is not None:
        row.log_counts = log_counts.noted(row.log_counts, pair.answer.log_counts, timezone.now())
    seen.living.append(row)
    if pair.row is None or before != _shown(row):
        seen.changed.append(row)


def _set_state(serving: Serving, deployer: Deployer, seen: Observation, row: Replica, pair: _Pair) -> None:
    if pair.status.phase == Phase.STOPPING or row.state == ReplicaState.STOPPING:
        row.state = ReplicaState.STOPPING
    elif pair.answer is not None and pair.answer.is_ready:
        row.state = ReplicaState.READY
        row.ready_at = row.ready_at or timezone.now()
        row.complaint, row.silent_since = pair.answer.complaint, None
    else:
        row.silent_since = row.silent_since or timezone.now()
        is_late = pair.answer is not None and pair.answer.is_late
        if not is_late or timezone.now() - row.silent_since > LATENESS_FORGIVEN:
            row.state = ReplicaState.STARTING
        row.complaint = pair.answer.reason if pair.answer else failures.said(pair.status)["reason"]
        is_patient = _waits_for_predictors(seen, row)
        failure = None if is_patient else _out_of_patience(serving, deployer, row, failures.said(pair.status))
        if failure:
            row.state = ReplicaState.STOPPING
            row.exit = f"{failure.code}: {failure.reason}"
            seen.failures.append(
                replace(failure, revision=row.revision, component=row.component, slot=row.slot)
            )


def _waits_for_predictors(seen: Observation, row: Replica) -> bool:
    """Whether a transformer cannot be ready because none of its predictors is, or only just; that is not its fault."""
    if row.component != Component.TRANSFORMER:
        return False
    ready = [
        each.ready_at
        for each in seen.living
        if each.revision == row.revision
        and each.component == Component.PREDICTOR
        and each.state == ReplicaState.READY
        and each.ready_at is not None
    ]
    if not ready or timezone.now() - min(ready) < PREDICTORS_FOUND_WITHIN:
        row.silent_since = None
        return True
    return False


def _out_of_patience(
    serving: Serving, deployer: Deployer, row: Replica, said: dict[str, str]
) -> Failure | None:
    """A replica that never gets ready, or no longer answers, is a failure and is stopped."""
    now = timezone.now()
    if row.ready_at is None:
        seconds = settings.START_TIMEOUT_SECONDS
        if now - row.started_at < timedelta(seconds=seconds):
            return None
        log = looking.log_of(row, serving.key, deployer)
        return failures.of_slow_start(has_address=bool(row.address), seconds=seconds, log=log, **said)
    seconds = settings.UNRESPONSIVE_SECONDS
    if row.silent_since is None or now - row.silent_since < timedelta(seconds=seconds):
        return None
    log = looking.log_of(row, serving.key, deployer)
    return failures.of_silence(seconds=seconds, said=row.complaint or "no answer", log=log)


def _fail(
    serving: Serving, deployer: Deployer, seen: Observation, row: Replica, status: ReplicaStatus | None
) -> None:
    revision = serving.revisions.filter(number=row.revision).first()
    failure = failures.of_exit(
        status.exit if status else None,
        log=looking.log_of(row, serving.key, deployer),
        memory_mb=_memory_mb(revision, row.component) if revision else 0,
        was_ready=row.ready_at is not None,
    )
    row.exit = f"{failure.code}: {failure.reason}"
    seen.failures.append(replace(failure, revision=row.revision, component=row.component, slot=row.slot))


def _memory_mb(revision: Revision, component: str) -> int:
    return revision.transformer_memory_mb if component == Component.TRANSFORMER else revision.memory_mb


def _end(seen: Observation, row: Replica, how: str) -> None:
    row.state = ReplicaState.EXITED
    row.exit = row.exit or how
    row.complaint = ""
    row.ended_at = timezone.now()
    seen.changed.append(row)


def _new_row(serving: Serving, status: ReplicaStatus) -> Replica:
    return Replica(
        serving=serving,
        name=status.name,
        revision=status.revision,
        component=status.component,
        slot=status.slot,
        attempt=status.attempt,
        deployer=status.deployer,
        started_at=status.started_at,
    )


def _how(status: ReplicaStatus) -> str:
    if status.exit is None:
        return "ended"
    return f"signal {status.exit.signal}" if status.exit.signal else f"exit code {status.exit.code}"


def _shown(row: Replica) -> tuple[object, ...]:
    return (row.state, row.address, row.place, row.complaint, row.silent_since, row.log_counts)
