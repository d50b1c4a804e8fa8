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

from accounts.access import Access
from serving import services
from serving.environments import locks, queries
from serving.models import Environment, Interpreter, Serving
from serving.states import Status
from tests.worker.environments.steps import Create, environment_of, made
from worker.environments import build, collect, host, prepare, tasks

log = logging.getLogger(__name__)
pytestmark = pytest.mark.usefixtures("small_lock", "known_python")  # an index is reachable
REQUIREMENTS = "six==1.16.0"


@pytest.mark.usefixtures("small_server")
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
    environment = environment_of(first)
    uses = queries.uses(first.project, [environment])[environment.pk]
    assert [use.serving.name for use in uses] == ["iris", "other"]


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


def test_a_revision_whose_environment_was_collected_is_rolled_back_to_and_runs_in_the_same_one(
    built: Serving, owner: Access, settle: Callable[..., Serving]
) -> None:
    environment = environment_of(built)
    services.start(access=owner, serving=built)
    assert settle().status == Status.RUNNING
    services.stop(access=owner, serving=built)
    services.update(access=owner, serving=built, changes={"requirements": ""})
    settle()
    first = built.revisions.filter(number=1)
    first.update(environment=None)  # as if nothing named it
    Environment.objects.filter(pk=environment.pk).update(used_at=timezone.now() - timedelta(days=365))
    assert collect.collect() == 1
    assert not Path(environment.path).exists()
    first.update(environment=environment)
    assert Environment.objects.get(pk=environment.pk).state == Environment.State.GONE

    rolled_back = services.roll_back(access=owner, serving=built, number=1)
    assert prepare.ready(rolled_back.current).sentence == "Building the environment"
    assert made(rolled_back).is_ready
    rebuilt = environment_of(rolled_back)
    assert (rebuilt.pk, rebuilt.key, rebuilt.seal) == (environment.pk, environment.key, environment.seal)
    services.start(access=owner, serving=rolled_back)
    running = settle()
    assert (running.status, running.current.number) == (Status.RUNNING, 3)


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
