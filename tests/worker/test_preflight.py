"""Pre-flights made by real steps: what they find, what they keep from starting, and who may start it anyway."""

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import AuditEntry, FilePolicy, Project
from models_registry import services as registry
from models_registry.models import Approval, FileReport, ModelVersion
from serving import preflights, services
from serving.errors import FilesRefused, PreflightFailed
from serving.models import Preflight, Revision, Serving
from serving.settings import Settings
from serving.states import Status
from tests.conftest import People
from tests.waiting import eventually
from worker import installed, preflight
from worker.deployers.base import Deployer, DeployerError, ReplicaStatus, ServingSpec
from worker.deployers.several import SeveralDeployers

SUMS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
NAMES = [
    "packages",
    "files",
    "syntax",
    "imports",
    "class",
    "methods",
    "transformer",
    "loads",
    "predicts",
    "json",
]

Create = Callable[..., Serving]
Settle = Callable[..., Serving]
Finish = Callable[[Preflight], dict[str, dict[str, object]]]


@pytest.fixture
def finish(deployer: Deployer) -> Finish:
    """Take steps until a pre-flight has ended; its checks by name."""

    def run(found: Preflight) -> dict[str, dict[str, object]]:
        eventually(lambda: preflight.step(found.pk, deployer), seconds=40, what="the end of a pre-flight")
        found.refresh_from_db()
        return {check["name"]: check for check in found.checks}

    return run


def of(serving: Serving) -> Preflight:
    found = serving.current.preflight
    assert found is not None
    return found


def test_a_good_script_passes_every_check_and_leaves_no_process(
    create: Create, finish: Finish, deployer: Deployer
) -> None:
    found = of(create(SUMS))
    checks = finish(found)
    assert list(checks) == NAMES
    assert found.state == Preflight.State.PASSED
    assert {checks[name]["state"] for name in NAMES if name not in {"transformer", "predicts", "json"}} == {
        "passed"
    }
    assert not deployer.status(found.key)


def test_the_stored_example_is_predicted(
    export: Callable[..., ModelVersion], owner: Access, finish: Finish
) -> None:
    export(files={"predictor.py": SUMS, "input_example.json": '{"instances": [["a", 1]]}'})
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py")
    checks = finish(services.check(access=owner, wanted=wanted))
    assert checks["predicts"]["state"] == "failed"
    assert "TypeError" in str(checks["predicts"]["sentence"]) + str(checks["predicts"]["evidence"])
    assert checks["json"]["state"] == "skipped"


def test_checking_without_saving_saves_nothing_and_is_not_done_twice(
    create: Create, export: Callable[..., ModelVersion], owner: Access, finish: Finish
) -> None:
    export(files={"predictor.py": SUMS})
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py")
    found = services.check(access=owner, wanted=wanted)
    finish(found)
    assert not Serving.objects.exists()
    made, _ = services.create(access=owner, wanted=wanted)
    assert made.current.preflight == found
    assert (
        services.check(access=owner, wanted=Settings(name="iris", script=wanted.script, memory_mb=512))
        != found
    )


@pytest.mark.parametrize(
    ("script", "name", "code"),
    [
        (
            SUMS + "    def __init__(self):\n        self.held = bytearray(600_000_000)\n",
            "loads",
            "OutOfMemory",
        ),
        (SUMS + "    def __init__(self):\n        import os; os._exit(7)\n", "loads", "Crashed"),
        ("import os\nos.kill(os.getpid(), 9)\n" + SUMS, "imports", "Killed"),
    ],
)
def test_a_script_that_ends_its_process_fails_the_check_that_ran(
    script: str, name: str, code: str, create: Create, finish: Finish
) -> None:
    checks = finish(of(create(script, memory_mb=256)))
    assert (checks[name]["state"], checks[name]["code"]) == ("failed", code)
    assert checks["json"]["state"] == "skipped"


def test_a_script_that_hangs_fails_in_bounded_time(create: Create, finish: Finish, settings) -> None:
    settings.START_TIMEOUT_SECONDS = 3
    found = of(create("import time\ntime.sleep(600)\n" + SUMS))
    checks = finish(found)
    assert checks["imports"]["state"] == "failed"
    assert found.state == Preflight.State.FAILED


REPORT = "import os, json\npath = os.environ['HOPYARD_TERMINATION_FILE']\n"


@pytest.mark.parametrize(
    "trick",
    [
        "os.mkfifo(path + '.p'); os.replace(path + '.p', path)",
        "os.remove(path); os.mkdir(path)",
        "os.remove(path); os.symlink('/etc/passwd', path)",
        "open(path, 'w').write('[' * 200_000)",
        "open(path, 'wb').write(b'\\xff\\xfe')",
        "open(path, 'w').write(json.dumps({'checks': [{'name': 'loads', 'state': {'a': 1}, 'x': 1}]}))",
        "open(path, 'w').write('x' * 30_000_000)",
    ],
)
def test_whatever_a_script_writes_as_its_report_the_check_ends_red(
    trick: str, create: Create, finish: Finish
) -> None:
    found = of(create(f"{REPORT}{trick}\nos._exit(0)\n" + SUMS))
    finish(found)
    assert found.state == Preflight.State.FAILED


def test_halves_of_characters_and_nul_reach_neither_database_nor_page(
    create: Create, finish: Finish, api: APIClient
) -> None:
    said = "{'checks': [{'name': 'loads', 'title': 'x', 'state': 'failed', 'sentence': '\\ud800 \\0'}]}"
    serving = create(f"{REPORT}print('\\0')\nopen(path, 'w').write(json.dumps({said}))\nos._exit(0)\n")
    finish(of(serving))
    sentence = api.get("/api/projects/garden/servings/iris/").json()["preflight"]["checks"][-1]["sentence"]
    assert sentence == "? "
    found = of(serving)
    found.refresh_from_db()
    assert "\0" not in found.log


def test_a_check_whose_machine_went_away_is_made_again(
    create: Create, finish: Finish, deployer: Deployer
) -> None:
    found = of(create("import time\ntime.sleep(1.5)\n" + SUMS))
    preflight.step(found.pk, deployer)
    runner = settings.REPLICA_DIR / found.key / "r0-0-1" / "runner.json"
    pid = eventually(lambda: runner.exists() and json.loads(runner.read_text())["pid"])
    os.kill(pid, signal.SIGKILL)
    checks = finish(found)
    assert found.state == Preflight.State.PASSED, checks


def test_red_for_a_cause_from_outside_is_not_held_against_the_next(
    create: Create, owner: Access, finish: Finish
) -> None:
    serving = create(SUMS)
    lost = [{"name": "start", "state": "failed", "sentence": "Gone.", "code": "Lost"}]
    Preflight.objects.update(state=Preflight.State.FAILED, checks=lost)
    wanted = services.with_changes(serving, {})
    assert services.check(access=owner, wanted=wanted, serving=serving).state == Preflight.State.WAITING


@pytest.mark.parametrize(
    "code",
    [
        "CannotBeScheduled",
        "EngineRefused",
        "FilesUnreachable",
        "GpuMissing",
        "ImageMissing",
        "NetworkOpen",
        "NodeDown",
    ],
)
def test_red_for_a_cause_from_outside_is_checked_anew_at_the_next_start(
    code: str, create: Create, owner: Access, settle: Settle
) -> None:
    serving = create(SUMS)
    broken = [{"name": "start", "state": "failed", "sentence": "No.", "code": code, "evidence": ""}]
    Preflight.objects.update(state=Preflight.State.FAILED, checks=broken)
    services.start(access=owner, serving=serving)
    assert Preflight.objects.get().state == Preflight.State.WAITING
    assert settle().status == Status.RUNNING
    assert Preflight.objects.get().state == Preflight.State.PASSED


class Away:
    """A deployer whose engine cannot be reached."""

    def status(self, name: str) -> list[ReplicaStatus]:
        raise DeployerError("EngineUnreachable", "The Docker engine does not answer; start it.")

    def apply(self, spec: ServingSpec) -> None:
        self.status(spec.name)

    def remove(self, name: str) -> None:
        self.status(name)

    def logs(self, name: str, replica: str, since: object = None) -> list[str]:
        self.status(name)
        return []


def test_a_check_waits_for_an_engine_that_cannot_be_reached_and_then_goes_on(
    create: Create, finish: Finish
) -> None:
    found = of(create(SUMS))
    away = SeveralDeployers({"local": Away()})
    for _ in range(3):
        assert not preflight.step(found.pk, away)
    found.refresh_from_db()
    assert found.state == Preflight.State.RUNNING
    assert found.started_at is None, "it takes nobody's turn meanwhile"
    assert found.checks[-1]["state"] == "running"
    assert found.checks[-1]["sentence"] == "The Docker engine does not answer; start it."
    finish(found)
    assert found.state == Preflight.State.PASSED


def test_a_check_that_has_ended_is_read_once_its_engine_is_back(create: Create, finish: Finish) -> None:
    found = of(create("import nothing_of_that_name\n" + SUMS))
    away = SeveralDeployers({"local": Away()})
    preflight.step(found.pk, installed.deployer())
    assert not preflight.step(found.pk, away)
    assert finish(found)["imports"]["code"] == "DependencyMissing"


def test_an_engine_that_is_away_is_no_matter_for_checks_that_are_made_elsewhere(
    create: Create, deployer: Deployer
) -> None:
    found = of(create(SUMS))
    both = SeveralDeployers({**deployer.deployers, "docker": Away()})  # type: ignore[attr-defined]
    eventually(lambda: preflight.step(found.pk, both), seconds=40, what="the end of a pre-flight")
    found.refresh_from_db()
    assert found.state == Preflight.State.PASSED


def test_no_file_of_the_model_takes_the_place_of_a_module_of_the_server(
    export: Callable[..., ModelVersion], owner: Access, finish: Finish
) -> None:
    hostile = "raise SystemExit(1)\n"
    names = ("queue.py", "random.py", "json.py", "asyncio.py", "types.py", "hopyard/__init__.py")
    export(files={"predictor.py": SUMS} | dict.fromkeys(names, hostile))
    found = services.check(access=owner, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
    checks = finish(found)
    assert {name: checks[name]["state"] for name in ("files", "syntax")} == {
        "files": "passed",
        "syntax": "passed",
    }


def test_what_a_script_writes_beside_its_model_stays_its_own(
    create: Create, finish: Finish, settle: Settle, owner: Access
) -> None:
    writes = (
        "import os\n" + SUMS + "    def __init__(self):\n"
        "        with open(os.environ['ARTIFACT_FILES_PATH'] + '/cache.json', 'w') as file: file.write('{}')\n"
    )
    serving = create(writes)
    finish(of(serving))
    services.start(access=owner, serving=serving)
    assert settle().status == Status.RUNNING
    services.check_again(access=owner, serving=serving)
    checks = finish(of(serving))
    assert checks["files"]["state"] == "passed"


def test_red_blocks_the_start_until_an_owner_overrides_it_which_is_recorded(
    create: Create, finish: Finish, settle: Settle, owner: Access, people: People
) -> None:
    serving = create("class Forecast:\n    pass\n")
    finish(of(serving))
    for _ in range(2):
        with pytest.raises(PreflightFailed, match="Forecast"):
            services.start(access=owner, serving=serving)
    with pytest.raises(PermissionDenied):
        services.start(access=people.access(people.bob), serving=serving, override=True)
    assert settle().status == Status.CREATED
    services.start(access=owner, serving=serving, override=True)
    failed = settle()
    assert (failed.status, failed.failure["code"]) == (Status.FAILED, "ClassMissing")
    assert failed.replicas.count() == 1, "it was really started"
    assert failed.current.overridden_by == people.alice
    assert AuditEntry.objects.filter(action="override_preflight", actor="alice").count() == 1


def test_a_start_without_its_packages_cannot_be_overridden(create: Create, owner: Access) -> None:
    serving = create(SUMS)
    checks = [
        {"name": "packages", "state": "failed", "sentence": "No such package.", "code": "PackageNotFound"}
    ]
    Preflight.objects.update(state=Preflight.State.FAILED, checks=checks)
    with pytest.raises(PreflightFailed, match=r"No such package\.$"):
        services.start(access=owner, serving=serving, override=True)


def test_a_start_waits_for_the_pre_flight_and_fails_with_its_reason(
    create: Create, settle: Settle, owner: Access
) -> None:
    services.start(access=owner, serving=create("import nobody_has_this\n" + SUMS))
    serving = settle()
    assert (serving.status, serving.failure["code"]) == (Status.FAILED, "DependencyMissing")
    assert "nobody_has_this" in serving.condition_reason
    assert not serving.replicas.exists()


def test_a_red_update_leaves_the_old_revision_answering(
    create: Create, settle: Settle, owner: Access, export: Callable[..., ModelVersion]
) -> None:
    services.start(access=owner, serving=create(SUMS))
    serving = settle()
    export(files={"predictor.py": "class Predict:\n    def predict(self):\n        pass\n"})
    changes = {"script": "Models/iris/2/predictor.py", "model_version": 2}
    services.update(access=owner, serving=serving, changes=changes)
    serving = settle()
    assert serving.status == Status.RUNNING
    assert serving.condition_reason.startswith("Revision 1 answers; the update to revision 2 failed: ")
    assert {replica.revision for replica in serving.replicas.all()} == {1}


def test_it_is_checked_again_on_demand(create: Create, finish: Finish, owner: Access) -> None:
    serving = create(SUMS)
    found = of(serving)
    finish(found)
    first = found.finished_at
    services.check_again(access=owner, serving=serving)
    found.refresh_from_db()
    assert (found.state, found.checks) == (Preflight.State.WAITING, [])
    finish(found)
    assert found.state == Preflight.State.PASSED
    assert found.finished_at != first


def test_a_subject_makes_the_same_revision_again(create: Create) -> None:
    serving = create(SUMS, variables={"A": "1"}, class_name="Predict")
    again = preflights.revision_of(of(serving))
    for name in preflights.COLUMNS:
        assert getattr(again, name) == getattr(serving.current, name)


def test_an_edit_is_checked_with_the_files_that_saving_it_would_keep(
    create: Create, export: Callable[..., ModelVersion], owner: Access
) -> None:
    serving = create(SUMS)
    export(files={"predictor.py": "class Forecast: pass"}, number=1, may_overwrite=True)
    wanted = services.with_changes(serving, {"memory_mb": 512})
    found = services.check(access=owner, wanted=wanted, serving=serving)
    assert found.subject["script_id"] == serving.current.script_id
    saved = services.update(access=owner, serving=serving, changes={"memory_mb": 512})
    assert saved.current.preflight == found


def test_what_was_deleted_meanwhile_cannot_be_checked(
    export: Callable[..., ModelVersion], owner: Access, finish: Finish
) -> None:
    version = export(files={"predictor.py": SUMS})
    found = services.check(access=owner, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
    registry.delete_version(access=owner, version=version)
    checks = finish(found)
    assert checks["files"]["code"] == "FilesGone"


def test_pre_flights_that_nothing_needs_are_forgotten(
    create: Create, export: Callable[..., ModelVersion], owner: Access
) -> None:
    kept = of(create(SUMS))
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py", memory_mb=512)
    services.check(access=owner, wanted=wanted)
    Preflight.objects.update(finished_at=timezone.now() - timedelta(days=8))
    preflight.forget_old()
    assert list(Preflight.objects.all()) == [kept]


def test_nothing_runs_before_the_policy_allows_the_files(
    create: Create, settle: Settle, owner: Access, finish: Finish, tmp_path: Path
) -> None:
    proof = tmp_path / "it ran"
    Project.objects.filter(pk=owner.project.pk).update(file_policy=FilePolicy.APPROVE)
    script = f"open({str(proof)!r}, 'w')\n" + SUMS
    serving = create(script)
    report(serving.current, FileReport.Verdict.SUSPICIOUS)
    found = of(serving)
    checks = finish(found)
    owner.project.refresh_from_db()
    assert (checks["policy"]["state"], checks["policy"]["code"]) == ("failed", "FilesRefused")
    with pytest.raises(FilesRefused, match="predictor.py"):
        services.start(access=owner, serving=serving)
    assert not proof.exists()
    for line in serving.current.artifact.files.all():
        Approval.objects.create(project=owner.project, blob=line.blob, approved_by=owner.user)
    services.start(access=owner, serving=serving)
    assert settle().status == Status.RUNNING
    assert proof.exists()


def report(revision: Revision, verdict: str) -> None:
    for line in revision.artifact.files.all():
        defaults = {"state": FileReport.State.DONE, "verdict": verdict}
        FileReport.objects.update_or_create(blob=line.blob, defaults=defaults)
