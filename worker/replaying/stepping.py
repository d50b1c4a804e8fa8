"""One step of a replay: choose the calls, start a replica, wait for it, ask for some seconds, sum up, remove it."""

import logging
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from serving import logs, safety
from serving.errors import ServingError
from serving.models import Replay, Revision, Serving
from serving.replays import summary
from worker import failures, lease, specs
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus
from worker.deployers.several import UNREACHABLE, PartlySeen, SeveralDeployers
from worker.environments import prepare
from worker.failures import Failure
from worker.probe import probe
from worker.replaying import asking, entrance, selecting, starting

log = logging.getLogger(__name__)

SECONDS_A_STEP = 5.0
MOST_AT_ONCE = 2
MOST_DEATHS = 3
MOST_DAYS = 30
State = Replay.State


def step(replay_id: int, deployer: Deployer) -> bool:
    """Bring a replay closer to its end; True when nothing is left to do."""
    with lease.hold(replay_id, Replay) as is_ours:
        if not is_ours:
            return not Replay.objects.filter(pk=replay_id).exists()
        replay = Replay.objects.select_related("serving__project", "created_by").get(pk=replay_id)
        if not replay.is_finished:
            _step(replay, deployer)
        if replay.is_finished:
            _clear_away(replay, deployer)
        return replay.is_finished


def unfinished() -> "QuerySet[Replay]":
    """Those that a step brings closer to their end, or whose replica may be left."""
    return Replay.objects.filter(~Q(state__in=[State.DONE, State.FAILED]) | Q(pk__in=entrance.open_replays()))


def end_all(serving: Serving, deployer: Deployer) -> bool:
    """End what is left of the replays of a serving that is deleted; False while something is left nevertheless."""
    left = unfinished().filter(serving=serving)
    try:
        return all(step(replay_id, deployer) for replay_id in left.values_list("pk", flat=True))
    except PartlySeen as error:
        log.warning("The replays of %s cannot be removed yet: %s", serving, error)
        return False


def forget_old() -> int:
    """Drop replays some weeks after they ended, and no later than the calls that they copied."""
    days = min(settings.INFERENCE_RECORDS_DAYS or MOST_DAYS, MOST_DAYS)
    old = Replay.objects.filter(finished_at__lt=timezone.now() - timedelta(days=days))
    return old.exclude(pk__in=entrance.open_replays()).delete()[0]


def _step(replay: Replay, deployer: Deployer) -> None:
    revision = (
        Revision.objects.select_related(*specs.RELATED)
        .filter(serving=replay.serving_id, number=replay.revision)
        .first()
    )
    if revision is None or replay.serving.is_deleted:
        _fail(replay, Failure("RevisionGone", f"Revision {replay.revision} is gone; choose another one."))
        return
    if replay.started_at is None and not _is_chosen(replay):
        return
    if not replay.calls.filter(new_status=0).exists():
        _sum_up(replay)
        return
    packages = prepare.ready(revision)
    if packages.failure is not None:
        _fail(
            replay,
            Failure(
                packages.failure["code"], packages.failure["reason"], packages.failure.get("evidence", "")
            ),
        )
    elif not packages.is_ready:
        _say(replay, packages.sentence)
    elif refused := safety.reason(replay.serving.project, revision):
        _fail(replay, Failure("FilesRefused", refused))
    else:
        _run(replay, revision, _its_own(deployer, revision))


def _is_chosen(replay: Replay) -> bool:
    """Whether the calls are there to be asked; not if it was ended meanwhile."""
    try:
        return selecting.choose(replay)
    except ServingError as error:
        _fail(replay, Failure("CallsNotFound", str(error)))
        return False


def _its_own(deployer: Deployer, revision: Revision) -> Deployer:
    if isinstance(deployer, SeveralDeployers):
        return deployer.only(revision.deployer or settings.DEPLOYER)
    return deployer


def _run(replay: Replay, revision: Revision, deployer: Deployer) -> None:
    try:
        statuses = deployer.status(replay.key)
        if statuses:
            _go_on(replay, revision, deployer, max(statuses, key=lambda status: status.attempt))
        elif _others_running(replay) >= MOST_AT_ONCE:
            _say(replay, "Waiting for other replays")
        else:
            _say(replay, f"Starting a replica of revision {revision.number}")
            deployer.apply(starting.spec(replay, revision))
    except DeployerError as error:
        if error.code in UNREACHABLE:
            _say(replay, error.reason)
        else:
            _fail(replay, Failure(error.code, error.reason))


def _go_on(replay: Replay, revision: Revision, deployer: Deployer, status: ReplicaStatus) -> None:
    if status.phase == Phase.EXITED:
        log = deployer.logs(replay.key, status.name)
        if replay.asked and status.attempt < MOST_DEATHS:
            deployer.apply(replace(starting.spec(replay, revision), ended=frozenset({status.name})))
        else:
            memory_mb = starting.memory_mb(revision)
            _fail(
                replay,
                failures.of_exit(status.exit, log=log, memory_mb=memory_mb, was_ready=bool(replay.asked)),
            )
        return
    answer = probe([status.address])[status.address] if status.address else None
    if answer is None or not answer.is_ready:
        seconds = settings.START_TIMEOUT_SECONDS
        if timezone.now() - status.started_at > timedelta(seconds=seconds):
            log = deployer.logs(replay.key, status.name)
            has_address = bool(status.address)
            _fail(replay, failures.of_slow_start(has_address=has_address, seconds=seconds, log=log))
        return
    _say(replay, f"Asking revision {revision.number}")
    asking.ask_on(
        replay,
        serving=replay.serving.name,
        address=status.address,
        token=entrance.token(replay),
        seconds=SECONDS_A_STEP,
    )
    _count(replay)


def _count(replay: Replay) -> None:
    asked = replay.calls.exclude(new_status=0)
    replay.asked, replay.differing = asked.count(), asked.filter(differs=True).count()
    Replay.objects.filter(pk=replay.pk).update(asked=replay.asked, differing=replay.differing)
    if replay.asked == replay.total:
        _sum_up(replay)


def _sum_up(replay: Replay) -> None:
    asked = replay.calls.exclude(new_status=0)
    rows = asked.values_list("duration_us", "new_duration_us", "differs", "new_status", "largest_change")
    replay.summary = summary.of([summary.Pair(*row) for row in rows])
    _finish(replay, State.DONE)


def _fail(replay: Replay, failure: Failure) -> None:
    said = failure.as_json()
    replay.failure = {name: said[name] for name in ("code", "reason", "evidence")}
    _finish(replay, State.FAILED)


def _finish(replay: Replay, state: Replay.State) -> None:
    """Write the end, unless somebody ended it meanwhile."""
    ended = Replay.objects.filter(pk=replay.pk).exclude(state__in=[State.DONE, State.FAILED])
    ended.update(
        state=state, step="", failure=replay.failure, summary=replay.summary, finished_at=timezone.now()
    )
    replay.refresh_from_db(fields=["state", "failure", "summary", "finished_at", "step"])


def _say(replay: Replay, sentence: str) -> None:
    if replay.step != sentence:
        replay.step = sentence
        Replay.objects.filter(pk=replay.pk).update(step=sentence[:300])
    replay.refresh_from_db(fields=["state"])


def _clear_away(replay: Replay, deployer: Deployer) -> None:
    """Nothing of it is left running when this returns. An engine that is away and never had it does not matter."""
    try:
        deployer.remove(replay.key)
    except PartlySeen as error:
        revisions = Revision.objects.filter(serving=replay.serving_id, number=replay.revision)
        name = revisions.values_list("deployer", flat=True).first()
        if name is None or (name or settings.DEPLOYER) in error.blind:
            raise
    logs.forget(replay.key)
    entrance.close(replay)


def _others_running(replay: Replay) -> int:
    running = Replay.objects.filter(state=State.RUNNING).exclude(pk=replay.pk)
    return running.exclude(step="").exclude(step__startswith="Waiting").count()
