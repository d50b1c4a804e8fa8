"""Makes pre-flights: a throw-away replica that only checks, by the deployer and under the limits of the real ones."""

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from serving import preflights, safety, work
from serving.models import Preflight, Revision, Serving
from serving.models.preflights import FILES_REFUSED, PACKAGES
from worker import failures, lease, specs
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.environments import prepare
from worker.failures import Failure

KEPT = timedelta(days=7)
LOG_LINES = 400


@dataclass(frozen=True)
class Check:
    """One line of the list; `state` is waiting, running, passed, failed or skipped."""

    name: str
    title: str
    state: str
    sentence: str = ""
    code: str = ""
    evidence: str = ""
    seconds: float | None = None


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
                _save(preflight, [Check("files", "Files", "failed", gone, "FilesGone")], is_over=True)
        return preflight.is_finished


def forget_old() -> int:
    """Drop the pre-flights that no revision has, a week after they ended."""
    limit = timezone.now() - KEPT
    return Preflight.objects.filter(revisions=None, finished_at__lt=limit).delete()[0]


def _step(preflight: Preflight, deployer: Deployer) -> None:
    revision = preflights.revision_of(preflight)
    packages = prepare.ready(revision)
    first = [_packages_check(packages)]
    if not packages.is_ready:
        _save(preflight, first, is_over=packages.failure is not None)
        return
    if refused := safety.reason(preflight.project, revision):
        is_waiting = safety.is_waiting(revision)
        state = "running" if is_waiting else "failed"
        check = Check("policy", "Files that may run", state, refused, FILES_REFUSED)
        _save(preflight, [*first, check], is_over=not is_waiting)
        return
    statuses = deployer.status(preflight.key)
    try:
        if not statuses:
            preflight.started_at = timezone.now()
            deployer.apply(_spec(preflight, revision))
            _save(preflight, first)
            return
    except DeployerError as error:
        _finish(preflight, deployer, [*first, Check("start", "Starts", "failed", error.reason, error.code)])
        return
    _read(preflight, revision, deployer, first, statuses[-1])


def _read(
    preflight: Preflight, revision: Revision, deployer: Deployer, first: list[Check], status: ReplicaStatus
) -> None:
    """Take over what the process has written, and judge how it ended."""
    found = [Check(**check) for check in (status.said or {}).get("checks", [])]
    if status.phase == Phase.EXITED:
        if not found or any(check.state == "running" for check in found):
            log = deployer.logs(preflight.key, status.name)
            exit_ = status.exit if status.exit is None or not found else replace(status.exit, failure=None)
            failure = failures.of_exit(exit_, log=log, memory_mb=revision.memory_mb, was_ready=False)
            found = _broken_off(found, failure)
        _finish(preflight, deployer, [*first, *found], status.name)
        return
    seconds = settings.START_TIMEOUT_SECONDS
    if preflight.started_at and timezone.now() - preflight.started_at > timedelta(seconds=seconds):
        log = deployer.logs(preflight.key, status.name)
        found = _broken_off(found, failures.of_slow_start(has_address=True, seconds=seconds, log=log))
        _finish(preflight, deployer, [*first, *found], status.name)
        return
    _save(preflight, [*first, *found])


def _finish(preflight: Preflight, deployer: Deployer, checks: list[Check], replica: str = "") -> None:
    if replica:
        preflight.log = "\n".join(deployer.logs(preflight.key, replica)[-LOG_LINES:])
    deployer.remove(preflight.key)
    _save(preflight, checks, is_over=True)


def _save(preflight: Preflight, checks: list[Check], *, is_over: bool = False) -> None:
    preflight.checks = [asdict(check) for check in checks]
    preflight.state = Preflight.State.RUNNING
    if is_over:
        has_failed = any(check.state == "failed" for check in checks)
        preflight.state = Preflight.State.FAILED if has_failed else Preflight.State.PASSED
        preflight.finished_at = timezone.now()
    preflight.save(update_fields=["checks", "state", "log", "started_at", "finished_at"])
    for serving in Serving.objects.filter(revision__preflight=preflight, is_deleted=False):
        Serving.objects.filter(pk=serving.pk).update(changed_at=timezone.now())
        if is_over:
            work.reconcile_on_commit(serving)


def _packages_check(packages: prepare.Preparation) -> Check:
    title = "Packages"
    if packages.failure is not None:
        failure = packages.failure
        return Check(
            PACKAGES, title, "failed", failure["reason"], failure["code"], failure.get("evidence", "")
        )
    if not packages.is_ready:
        return Check(PACKAGES, title, "running", packages.sentence)
    return Check(PACKAGES, title, "passed", "The packages are installed.")


def _broken_off(checks: list[Check], failure: Failure) -> list[Check]:
    """The checks of a process that ended without finishing: the one that ran has failed, the rest is skipped."""
    running = next((check for check in checks if check.state == "running"), None)
    if running is None:
        end = Check("end", "Ends by itself", "failed", failure.reason, failure.code, failure.evidence)
        return [*checks, end]
    broken = replace(
        running, state="failed", sentence=failure.reason, code=failure.code, evidence=failure.evidence
    )
    after = [
        replace(check, state="skipped", sentence=f"Because “{running.title}” failed.")
        if check.state == "waiting"
        else check
        for check in checks
    ]
    return [broken if check.name == running.name else check for check in after]


def _spec(preflight: Preflight, revision: Revision) -> ServingSpec:
    told = specs.general(preflight.project, revision, name="preflight", user=preflight.asked_by)
    share = specs.predictor(revision, (0,), told | {"HOPYARD_PREFLIGHT": "on"}, is_front=False)
    if revision.transformer is not None:
        share = replace(share, transformer=specs.transformer_file(revision), knows_example=True)
    return ServingSpec(name=preflight.key, host="", port=0, keys_file=Path("/dev/null"), revisions=(share,))
