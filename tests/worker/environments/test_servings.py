"""From a serving's requirements to the environment its replicas start in, by the worker's own tasks."""

import logging
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone
from packaging.requirements import Requirement

from serving.environments import locks, queries, service
from serving.models import Environment, Interpreter, Resolution, Serving
from tests.waiting import eventually
from worker.environments import build, collect, host, leases, prepare, rows, tasks
from worker.environments.interpreters import Python
from worker.environments.prepare import Preparation

log = logging.getLogger(__name__)
pytestmark = pytest.mark.usefixtures("small_lock")  # an index is reachable
REQUIREMENTS = "six==1.16.0"
Create = Callable[..., Serving]


@pytest.fixture(autouse=True)
def _known_python(db: None, python: Python) -> None:
    """As the worker reports it."""
    Interpreter.objects.create(
        version=python.version, full_version=python.full_version, path=str(python.path)
    )


def work_on(serving: Serving) -> None:
    """Do what is waiting for this serving, as the worker would."""
    revision = serving.current
    revision.refresh_from_db()
    if revision.environment_id is None:
        rows.resolve_row(revision.resolution_id)
        revision.refresh_from_db()
    if revision.environment_id is not None:
        tasks.build_environment(revision.environment_id)


def made(serving: Serving) -> Preparation:
    work_on(serving)
    return prepare.ready(serving.current)


def environment_of(serving: Serving) -> Environment:
    serving.current.refresh_from_db()
    assert serving.current.environment is not None
    return serving.current.environment


@pytest.fixture
def built(create: Create) -> Serving:
    serving = create(requirements=REQUIREMENTS)
    assert made(serving).is_ready
    return serving


def test_an_environment_is_built_once_and_taken_by_the_second_serving(
    create: Create, caplog: pytest.LogCaptureFixture, settings: LazySettings, tmp_path: Path
) -> None:
    settings.ENVIRONMENT_DIR = tmp_path / "environments"
    first, second = (
        create(requirements=REQUIREMENTS),
        create(name="other", requirements=f"{REQUIREMENTS}\r\n"),
    )
    assert prepare.ready(first.current).sentence == "Resolving the requirements"
    started = time.perf_counter()
    prepared = made(first)
    took = time.perf_counter() - started
    assert prepared.is_ready, prepared
    started = time.perf_counter()
    again = prepare.ready(second.current)
    took_again = time.perf_counter() - started
    log.warning("built in %.2f s; reused in %.4f s", took, took_again)
    assert again == prepared
    assert took_again < took / 10
    assert Environment.objects.get(pk=environment_of(first).pk).build_seconds > 0.1
    assert environment_of(second) == environment_of(first)
    assert [use.serving.name for use in queries.uses(first.project, environment_of(first))] == [
        "iris",
        "other",
    ]


def test_a_replica_in_it_has_the_requirements_the_model_server_and_nothing_of_the_platform(
    built: Serving,
) -> None:
    prepared = prepare.ready(built.current)
    code = (
        "import importlib.util as u, six, hopyard.server.lifecycle, importlib.metadata as m; "
        "print(six.__version__, m.version('hopyard'), [n for n in ('django', 'celery', 'sklearn') if u.find_spec(n)])"
    )
    found = subprocess.run(
        [prepared.python, "-c", code],
        env=dict(prepared.variables),
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == "1.16.0 0.1.0 []"
    environment = environment_of(built)
    names = {each.name for each in queries.packages(environment)}
    assert names == {"six"} | {Requirement(need).name for need in host.server().needs}
    assert environment.package_count == len(names)
    assert "+ six==1.16.0" in environment.log or build.record_of(host.root(), environment.key).exists()


FAILURES = {
    "PackageNotFound": "nonexistent-package-xyz",
    "EnvironmentConflict": "urllib3==2.2.0\nrequests==2.20.0",
}


@pytest.mark.parametrize("code", FAILURES)
def test_what_cannot_be_resolved_fails_the_serving_with_the_resolvers_words(
    create: Create, code: str
) -> None:
    prepared = made(create(requirements=FAILURES[code]))
    assert prepared.failure is not None
    assert (prepared.failure["code"], prepared.is_ready) == (code, False)
    assert "No solution found" in prepared.failure["evidence"]
    assert not Environment.objects.filter(state=Environment.State.FAILED).exists()


def test_a_failure_is_forgotten_when_it_is_tried_again(create: Create) -> None:
    serving = create(requirements="nonexistent-package-xyz")
    assert made(serving).failure
    assert service.forget_failure(serving.current)
    assert prepare.ready(serving.current).sentence == "Resolving the requirements"
    assert not service.forget_failure(serving.current)


def test_an_index_that_was_away_is_asked_again_by_itself(
    create: Create, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serving = create(requirements=REQUIREMENTS)
    with monkeypatch.context() as away:
        away.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
        away.setenv("UV_HTTP_RETRIES", "0")
        away.setenv("UV_CACHE_DIR", str(tmp_path))
        prepared = made(serving)
    assert (prepared.is_ready, prepared.failure) == (False, None)
    assert "could not be reached" in prepared.sentence
    long_ago = timezone.now() - timedelta(minutes=5)
    Resolution.objects.update(lease_until=long_ago)
    prepare.ready(serving.current)
    assert made(serving).is_ready


def test_a_changed_file_is_found_named_and_mended(built: Serving) -> None:
    environment = environment_of(built)
    assert rows.verify_row(environment.pk) is None
    (file,) = Path(environment.path).glob("lib/*/site-packages/six.py")
    file.write_text(file.read_text().replace("1.16.0", "6.66.0"))
    assert "six.py has other bytes" in str(rows.verify_row(environment.pk))
    environment.refresh_from_db()
    assert environment.failure["code"] == "EnvironmentCorrupt"
    assert "six.py" in environment.failure["reason"]
    assert not prepare.ready(built.current).is_ready
    assert made(built).is_ready
    assert "6.66.0" not in file.read_text()
    assert rows.verify_row(environment.pk) is None


def test_one_builds_while_the_other_goes_on(built: Serving) -> None:
    environment = environment_of(built)
    waiting = {"state": Environment.State.WAITING, "lease": "somebody"}
    Environment.objects.update(**waiting, lease_until=timezone.now() + timedelta(minutes=1))
    assert not rows.build_row(environment.pk)
    assert prepare.ready(built.current).sentence == "Building the environment"
    Environment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))  # its holder died
    assert rows.build_row(environment.pk)


def test_a_lease_is_renewed_while_the_work_lasts(built: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_of(built)
    monkeypatch.setattr(leases, "RENEWED_EVERY_SECONDS", 0.01)
    ready = [Environment.State.READY]
    renewals = []
    monkeypatch.setattr(leases, "_renew", lambda mine, is_over: renewals.append(mine) or is_over.wait(5))
    with leases.hold(Environment, environment.pk, of=ready, to=Environment.State.BUILDING) as is_ours:
        assert is_ours
        eventually(lambda: renewals)
        with leases.hold(Environment, environment.pk, of=ready, to=Environment.State.BUILDING) as also:
            assert not also
    environment.refresh_from_db()
    assert environment.lease == ""


def test_only_what_nobody_names_is_collected_and_it_comes_back_from_its_lock(
    built: Serving, create: Create, settings: LazySettings
) -> None:
    environment = environment_of(built)
    long_ago = timezone.now() - timedelta(hours=settings.ENVIRONMENT_KEPT_HOURS + 1)
    Environment.objects.update(used_at=long_ago)
    assert collect.collect() == 0
    revision = built.current
    revision.environment, number = None, revision.environment_id
    revision.save(update_fields=["environment"])
    before = set(settings.ENVIRONMENT_DIR.glob(".aside-*"))
    assert collect.collect() == 1
    assert set(settings.ENVIRONMENT_DIR.glob(".aside-*")) == before
    environment.refresh_from_db()
    assert (environment.state, environment.path) == (Environment.State.GONE, "")
    assert not (settings.ENVIRONMENT_DIR / environment.key).exists()
    revision.environment_id = number
    revision.save(update_fields=["environment"])
    assert prepare.ready(revision).sentence == "Building the environment"
    assert made(built).is_ready
    environment.refresh_from_db()
    assert environment.state == Environment.State.READY


def test_what_was_used_a_moment_ago_is_not_collected(built: Serving) -> None:
    built.revisions.update(environment=None)
    assert collect.collect() == 0


def test_the_platforms_own_packages_are_there_at_once_and_locked(create: Create) -> None:
    serving = create()
    prepared = prepare.ready(serving.current)
    assert prepared.is_ready
    assert prepared.python == host.replica_python()
    environment = environment_of(serving)
    assert {"scikit-learn", "numpy"} <= {each.name for each in queries.packages(environment)}
    assert environment.key == locks.key(environment.python, environment.lock)


@pytest.fixture
def replicas_folder(tmp_path: Path, settings: LazySettings, small_lock: str) -> Path:
    """As make setup leaves it, with small packages."""
    folder = tmp_path / "replicas"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(settings.REPLICA_PYTHON)
    (folder / "pyvenv.cfg").write_text("version_info = 3.11.7\n")
    (folder / "lock.txt").write_text(small_lock)
    settings.REPLICA_PYTHON = folder / "bin" / "python"
    return folder


def test_after_an_upgrade_an_old_revision_gets_its_old_packages_back(
    create: Create, replicas_folder: Path, small_lock: str
) -> None:
    serving = create()
    assert prepare.ready(serving.current).is_ready
    (replicas_folder / "lock.txt").write_text("six==1.17.0\n")
    assert prepare.ready(serving.current).sentence == "Building the environment"
    environment = environment_of(serving)
    assert (environment.state, environment.lock, environment.path) == ("waiting", small_lock, "")


def test_an_interpreter_without_a_lock_is_used_as_it_is_and_said_to_be_gone_once_it_is(
    create: Create, replicas_folder: Path
) -> None:
    (replicas_folder / "lock.txt").unlink()
    serving = create()
    assert prepare.ready(serving.current).is_ready
    assert environment_of(serving).lock == ""
    (replicas_folder / "bin" / "python").unlink()
    prepared = prepare.ready(serving.current)
    assert prepared.failure is not None
    assert prepared.failure["code"] == "EnvironmentGone"


def test_the_hosts_pythons_are_reported_and_those_that_went_are_forgotten(db: None) -> None:
    Interpreter.objects.create(version="3.5", full_version="3.5.0", path="/nonexistent")
    tasks.report_interpreters()
    versions = queries.pythons()
    assert host.python(versions[0]).version == versions[0]
    assert "3.5" not in versions
