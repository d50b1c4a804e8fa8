"""One step of a replay: choose the calls, start a replica, wait for it, ask for some seconds, sum up, remove it."""

import logging
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from serving import logs, safety
from serving.errors import ServingError
from serving.models import Replay, ReplayedCall, Revision, Serving
from worker import failures, lease, specs
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus
from worker.deployers.several import UNREACHABLE, PartlySeen, SeveralDeployers
from worker.environments import prepare
from worker.failures import Failure
from worker.probe import probe
from worker.replaying import asking, entrance, progress, selecting, starting

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
    """Drop replays some weeks after they ended, and what they copied of calls that are older than calls may be."""
    days = settings.INFERENCE_RECORDS_DAYS or MOST_DAYS
    limit = timezone.now() - timedelta(days=days)
    if settings.INFERENCE_RECORDS_DAYS:
        ReplayedCall.objects.filter(requested_at__lt=limit, replay__finished_at__isnull=False).delete()
    old = Replay.objects.filter(finished_at__lt=max(limit, timezone.now() - timedelta(days=MOST_DAYS)))
    return old.exclude(pk__in=entrance.open_replays()).delete()[0]


def _step(replay: Replay, deployer: Deployer) -> None:
    revision = (
        Revision.objects.select_related(*specs.RELATED)
        .filter(serving=replay.serving_id, number=replay.revision)
        .first()
    )
    if revision is None or replay.serving.is_deleted:
        progress.fail(
            replay, Failure("RevisionGone", f"Revision {replay.revision} is gone; choose another one.")
        )
        return
    if replay.started_at is None and not _is_chosen(replay):
        return
    if not replay.calls.filter(new_status=0).exists():
        progress.sum_up(replay)
        return
    packages = prepare.ready(revision)
    if packages.failure is not None:
        progress.fail(
            replay,
            Failure(
                packages.failure["code"], packages.failure["reason"], packages.failure.get("evidence", "")
            ),
        )
    elif not packages.is_ready:
        progress.say(replay, packages.sentence)
    elif refused := safety.reason(replay.serving.project, revision):
        progress.fail(replay, Failure("FilesRefused", refused))
    else:
        _run(replay, revision, _its_own(deployer, revision))


def _is_chosen(replay: Replay) -> bool:
    """Whether the calls are there to be asked; not if it was ended meanwhile."""
    try:
        return selecting.choose(replay)
    except ServingError as error:
        progress.fail(replay, Failure("CallsNotFound", str(error)))
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
            progress.say(replay, "Waiting for other replays")
        else:
            progress.say(replay, f"Starting a replica of revision {revision.number}")
            deployer.apply(starting.spec(replay, revision))
    except DeployerError as error:
        if error.code in UNREACHABLE:
            progress.say(replay, error.reason)
        else:
            progress.fail(replay, Failure(error.code, error.reason))


def _go_on(replay: Replay, revision: Revision, deployer: Deployer, status: ReplicaStatus) -> None:
    if status.phase == Phase.EXITED:
        log = deployer.logs(replay.key, status.name)
        if replay.asked and status.attempt < MOST_DEATHS:
            deployer.apply(replace(starting.spec(replay, revision), ended=frozenset({status.name})))
        else:
            memory_mb = starting.memory_mb(revision)
            progress.fail(
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
            progress.fail(replay, failures.of_slow_start(has_address=has_address, seconds=seconds, log=log))
        return
    progress.say(replay, f"Asking revision {revision.number}")
    asking.ask_on(
        replay,
        serving=replay.serving.name,
        address=status.address,
        token=entrance.token(replay),
        seconds=SECONDS_A_STEP,
    )
    progress.count(replay)


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
