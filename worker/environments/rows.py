"""Resolves, builds and verifies what the rows say, and writes into them what came of it."""

import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from serving.environments import platform_packages, requirements, service
from serving.models import Environment, Resolution, Revision
from worker.environments import build, host, leases, news, problems, seal
from worker.environments.build import Built, Order
from worker.environments.live_log import LiveLog
from worker.environments.problems import EnvironmentProblem
from worker.environments.resolve import Question, resolve

log = logging.getLogger(__name__)

UNRESOLVED = [Resolution.State.WAITING, Resolution.State.RESOLVING]
UNBUILT = [Environment.State.WAITING, Environment.State.BUILDING]


def resolve_row(pk: int) -> Environment | None:
    """Resolve what waits for it; the environment it leads to, or None if there was nothing to do or it failed."""
    before = _failure_of(Resolution, pk)
    with leases.hold(Resolution, pk, of=UNRESOLVED, to=Resolution.State.RESOLVING) as is_ours:
        if not is_ours:
            return None
        row = Resolution.objects.get(pk=pk)
        tell = LiveLog(Resolution, pk)
        try:
            lines = requirements.parse(row.requirements, allows_urls=settings.ALLOW_URL_REQUIREMENTS)
            question = Question(host.python(row.python), lines, host.server().needs)
            lock = resolve(host.tool(), question, tell)
        except requirements.BadRequirements as error:
            _failed(Resolution, pk, EnvironmentProblem("RequirementsInvalid", str(error)))
        except EnvironmentProblem as problem:
            _failed(Resolution, pk, problem)
        except Exception as error:
            _failed(Resolution, pk, problems.of_surprise(error, before))
            raise
        else:
            return _resolved(row, lock)
        finally:
            tell.flush()
    return None


@transaction.atomic
def _resolved(row: Resolution, lock: str) -> Environment:
    environment = service.of_lock(row.python, lock)
    Resolution.objects.filter(pk=row.pk).update(state=Resolution.State.DONE, environment=environment)
    Revision.objects.filter(resolution=row, environment=None).update(environment=environment)
    news.tell(Q(resolution=row))
    return environment


def build_row(pk: int, *, anew: bool = False) -> bool:
    """Build what waits for it, or once more what may be corrupt; False if somebody else does or it failed."""
    before = _failure_of(Environment, pk)
    with leases.hold(Environment, pk, of=UNBUILT, to=Environment.State.BUILDING) as is_ours:
        if not is_ours:
            return False
        row = Environment.objects.get(pk=pk)
        tell = LiveLog(Environment, pk)
        try:
            built = build.build(host.tool(), _order(row), tell, anew=anew)
        except EnvironmentProblem as problem:
            return _unbuilt(row, problem)
        except Exception as error:
            _unbuilt(row, problems.of_surprise(error, before))
            raise
        else:
            return _ready(row, built)
        finally:
            tell.flush()


def _order(row: Environment) -> Order:
    return Order(
        root=host.root(),
        key=row.key,
        python=host.python(row.python),
        lock=row.lock,
        model_server=host.server().folder(host.root()),
        seal=row.seal,
        least_free_mb=settings.ENVIRONMENT_FREE_MB,
    )


def _ready(row: Environment, built: Built) -> bool:
    now = timezone.now()
    _is_usable(
        row,
        path=str(built.path),
        seal=built.seal.digest,
        size_bytes=built.seal.size_bytes,
        package_count=built.package_count,
        build_seconds=built.seconds,
        built_at=now,
        used_at=now,
    )
    log.info("Environment %s is built in %.1f s", row.key[:12], built.seconds)
    return True


def _unbuilt(row: Environment, problem: EnvironmentProblem) -> bool:
    """A rebuild that fails takes nothing away: what was there before stays in use if it is whole."""
    if not row.seal or not build.is_whole(host.root(), row.key, row.seal):
        return _failed(Environment, row.pk, problem)
    kept = problems.of_rebuilding(problem)
    _is_usable(row, path=str(host.root() / row.key), failure=kept.as_json())
    log.warning("Environment %s: %s", row.key[:12], kept.reason)
    return False


@transaction.atomic
def _is_usable(row: Environment, **changes: Any) -> None:
    changes |= {"state": Environment.State.READY, "verified_at": timezone.now()}
    Environment.objects.filter(pk=row.pk).update(**changes)
    news.tell(Q(environment=row) | Q(environment=None, resolution__environment=row))


def verify_row(pk: int) -> str | None:
    """Compare an environment's files with its seal, or seal it for the first time; what differs, if anything.

    A corrupt one is to be built anew, unless it is the platform's own.
    """
    row = Environment.objects.filter(pk=pk, state=Environment.State.READY).first()
    if row is None:
        return None
    folder, record = Path(row.path), build.record_of(host.root(), row.key)
    if not row.seal:
        host.root().mkdir(parents=True, exist_ok=True)
        sealed = seal.seal(folder, record)
        changes: dict[str, Any] = {"seal": sealed.digest, "size_bytes": sealed.size_bytes}
        Environment.objects.filter(pk=pk).update(verified_at=timezone.now(), **changes)
        return None
    said = seal.difference(folder, record, row.seal)
    if said is None:
        Environment.objects.filter(pk=pk).update(verified_at=timezone.now(), failure=None)
        return None
    _corrupt(row, said)
    return said


def _corrupt(row: Environment, said: str) -> None:
    is_own = platform_packages.now().key == row.key
    then = (
        "the administrator makes it anew, with make clean setup"
        if is_own
        else "it is set aside and built anew"
    )
    problem = EnvironmentProblem(
        "EnvironmentCorrupt", f"The environment is not what was built: {said}; {then}."
    )
    state = Environment.State.READY if is_own else Environment.State.WAITING
    Environment.objects.filter(pk=row.pk, state=Environment.State.READY).update(
        state=state, failure=problem.as_json()
    )
    log.warning("Environment %s: %s", row.key[:12], problem.reason)


def _failed(rows: leases.Rows, pk: int, problem: EnvironmentProblem) -> bool:
    manager: Any = rows._default_manager
    manager.filter(pk=pk).update(state="failed", failure=problem.as_json())
    log.info("%s %s failed: %s", rows.__name__, pk, problem.reason)
    return False


def _failure_of(rows: leases.Rows, pk: int) -> dict[str, Any] | None:
    """What it failed of the last time; the lease forgets it."""
    manager: Any = rows._default_manager
    found: dict[str, Any] | None = manager.filter(pk=pk).values_list("failure", flat=True).first()
    return found
