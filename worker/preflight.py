"""Makes pre-flights: a throw-away replica that only checks, by the deployer and under the limits of the real ones."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.utils import timezone

from serving import logs, preflights, safety, work
from serving.models import Preflight, Revision, Serving
from serving.models.preflights import FILES_REFUSED, CheckState
from worker import checks, failures, lease, specs
from worker.checks import Check
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.several import UNREACHABLE, SeveralDeployers
from worker.environments import prepare
from worker.failures import Failure
from worker.images import wanted

KEPT = timedelta(days=7)
LOG_LINES = 400
MOST_AT_ONCE = 4
TRIED_AGAIN = {"FilesUnreachable", "FilesWithheld", "Lost", "NodeDown"}


def step(preflight_id: int, deployer: Deployer) -> bool:
    """Bring a pre-flight closer to its end; True when nothing is left to do."""
    with lease.hold(preflight_id, Preflight) as is_ours:
        if not is_ours:
            return not Preflight.objects.filter(pk=preflight_id).exists()
        preflight = Preflight.objects.select_related("project", "asked_by").get(pk=preflight_id)
        if not preflight.is_finished:
            try:
                _step(preflight, deployer)
            except ObjectDoesNotExist:
                gone = "What was to be checked has been deleted; check again with other settings."
                _finish(preflight, deployer, [Check("files", "Files", "failed", gone, "FilesGone")])
        return preflight.is_finished


def forget_old() -> int:
    """Drop the pre-flights that no revision has, a week after they ended."""
    limit = timezone.now() - KEPT
    return Preflight.objects.filter(revisions=None, finished_at__lt=limit).delete()[0]


def _step(preflight: Preflight, deployer: Deployer) -> None:
    revision = preflights.revision_of(preflight)
    packages = prepare.ready(revision)
    first = [checks.of_packages(packages)]
    if isinstance(deployer, SeveralDeployers):
        deployer = deployer.only(revision.deployer)
    if packages.failure is not None:
        _finish(preflight, deployer, first)
    elif not packages.is_ready:
        _save(preflight, first)
    elif refused := safety.reason(preflight.project, revision):
        _wait_for_policy(preflight, revision, deployer, first, refused)
    else:
        _run(preflight, revision, deployer, first)


def _wait_for_policy(
    preflight: Preflight, revision: Revision, deployer: Deployer, first: list[Check], refused: str
) -> None:
    """Nothing of a script runs before the project's policy allows its files."""
    check = Check("policy", "Files that may run", CheckState.RUNNING, refused, FILES_REFUSED)
    if safety.is_waiting(revision):
        _save(preflight, [*first, check])
    else:
        _finish(preflight, deployer, [*first, replace(check, state=CheckState.FAILED)])


def _run(preflight: Preflight, revision: Revision, deployer: Deployer, first: list[Check]) -> None:
    try:
        statuses = deployer.status(preflight.key)
        if statuses:
            latest = max(statuses, key=lambda status: status.attempt)
            _read(preflight, revision, deployer, first, latest)
        elif _others_running(preflight) >= MOST_AT_ONCE:
            turn = Check("turn", "Its turn", CheckState.RUNNING, "Waiting for other checks.")
            _save(preflight, [*first, turn])
        else:
            _save(preflight, first, has_started=True)
            deployer.apply(_spec(preflight, revision))
    except DeployerError as error:
        wanted.doubt(error)
        if error.code in UNREACHABLE:
            _wait_for_engine(preflight, first, error)
            return
        broken = checks.failed("start", "Starts", Failure(error.code, error.reason))
        _finish(preflight, deployer, [*first, broken])


def _wait_for_engine(preflight: Preflight, first: list[Check], error: DeployerError) -> None:
    """It goes on when its engine can be reached again, and takes nobody's turn until then."""
    if preflight.started_at is not None:
        preflight.started_at = None
        preflight.save(update_fields=["started_at"])
    _save(preflight, [*first, Check("start", "Starts", CheckState.RUNNING, error.reason, error.code)])


def _read(
    preflight: Preflight, revision: Revision, deployer: Deployer, first: list[Check], status: ReplicaStatus
) -> None:
    """Take over what the process has written, and judge how it ended."""
    found = checks.reported(status.said)
    failure = _end_of(preflight, revision, deployer, status, found)
    if failure is not None and failure.code in TRIED_AGAIN and status.attempt < settings.MAX_START_ATTEMPTS:
        deployer.apply(replace(_spec(preflight, revision), ended=frozenset({status.name})))
        return
    if failure is not None:
        found = checks.broken_off(found, failure)
    if failure is None and status.phase != Phase.EXITED:
        _save(preflight, [*first, *found])
        return
    _finish(preflight, deployer, [*first, *found], status.name)


def _end_of(
    preflight: Preflight, revision: Revision, deployer: Deployer, status: ReplicaStatus, found: list[Check]
) -> Failure | None:
    """Why a process did not finish what it was to do; None if it did, or still may."""
    if status.phase == Phase.EXITED:
        if checks.is_complete(found):
            return None
        log = deployer.logs(preflight.key, status.name)
        exit_ = status.exit if status.exit is None or not found else replace(status.exit, failure=None)
        return failures.of_exit(exit_, log=log, memory_mb=_memory_mb(revision), was_ready=False)
    seconds = settings.START_TIMEOUT_SECONDS
    if timezone.now() - status.started_at > timedelta(seconds=seconds):
        log = deployer.logs(preflight.key, status.name)
        said = {} if found else failures.said(status)
        return failures.of_slow_start(has_address=True, seconds=seconds, log=log, **said)
    return None


def _finish(preflight: Preflight, deployer: Deployer, found: Sequence[Check], replica: str = "") -> None:
    """Nothing of it is left running when this returns."""
    if replica:
        preflight.log = "\n".join(deployer.logs(preflight.key, replica)[-LOG_LINES:])
    deployer.remove(preflight.key)
    logs.forget(preflight.key)
    preflight.state = Preflight.State.FAILED if checks.has_failed(found) else Preflight.State.PASSED
    preflight.finished_at = timezone.now()
    _write(preflight, found)
    for serving in _servings(preflight):
        work.reconcile_on_commit(serving)


def _save(preflight: Preflight, found: Sequence[Check], *, has_started: bool = False) -> None:
    """Write how far it is, if that is news."""
    before = (preflight.state, preflight.checks)
    preflight.state = Preflight.State.RUNNING
    if has_started:
        preflight.started_at = timezone.now()
    if has_started or before != (preflight.state, [asdict(check) for check in found]):
        _write(preflight, found)


def _write(preflight: Preflight, found: Sequence[Check]) -> None:
    preflight.checks = [asdict(check) for check in found]
    preflight.save(update_fields=["checks", "state", "log", "started_at", "finished_at"])
    _servings(preflight).update(changed_at=timezone.now())


def _servings(preflight: Preflight) -> QuerySet[Serving]:
    return Serving.objects.filter(revision__preflight=preflight, is_deleted=False)


def _others_running(preflight: Preflight) -> int:
    running = Preflight.objects.filter(state=Preflight.State.RUNNING, started_at__isnull=False)
    return running.exclude(pk=preflight.pk).count()


def _memory_mb(revision: Revision) -> int:
    """One process holds what will be two, where the transformer is to have replicas of its own."""
    return revision.memory_mb + (revision.transformer_memory_mb if revision.has_separate_transformer else 0)


def _spec(preflight: Preflight, revision: Revision) -> ServingSpec:
    told = specs.general(preflight.project, revision, name="preflight", user=preflight.asked_by)
    share = specs.predictor(revision, (0,), told | {"HOPYARD_PREFLIGHT": "on"}, is_front=False)
    share = replace(share, memory_mb=_memory_mb(revision))
    if revision.transformer is not None:
        share = replace(share, transformer=specs.transformer_file(revision), knows_example=True)
    share = specs.fetchable(replace(share, exemptions=preflights.exemptions_of(preflight)))
    return ServingSpec(name=preflight.key, host="", port=0, keys_file=Path("/dev/null"), revisions=(share,))
