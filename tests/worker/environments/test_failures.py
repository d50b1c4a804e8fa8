"""What fails while packages are resolved or built: what it spoils, what is said and when it is tried again."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone

from serving.environments import service
from serving.models import Environment, Resolution, Serving
from tests.worker.environments.steps import Create, environment_of, made
from worker.environments import build, prepare, problems, rows

pytestmark = pytest.mark.usefixtures("small_lock", "small_server", "known_python")
REQUIREMENTS = "six==1.16.0"
NoUv = Callable[[str], None]


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


def rebuild(environment: Environment) -> Environment:
    """As the button does it."""
    Environment.objects.filter(pk=environment.pk).update(state=Environment.State.WAITING, failure=None)
    rows.build_row(environment.pk, anew=True)
    environment.refresh_from_db()
    return environment


def test_a_rebuild_that_fails_leaves_a_sound_environment_in_use(built: Serving, no_uv: NoUv) -> None:
    before = environment_of(built)
    seal = before.seal
    no_uv("error: Failed to fetch https://index.example/six")
    after = rebuild(before)
    assert (after.state, after.seal) == (Environment.State.READY, seal)
    assert after.failure["code"] == "IndexUnreachable"
    assert "stays as it was" in after.failure["reason"]
    assert problems.BY_ITSELF not in after.failure["reason"]
    assert prepare.ready(built.current).is_ready


@pytest.mark.parametrize("file", ["bin/python", "lib/python3.11/site-packages/six.py"])
def test_a_rebuild_that_fails_is_a_failure_where_the_old_environment_is_not_whole(
    built: Serving, no_uv: NoUv, file: str
) -> None:
    environment = environment_of(built)
    missing = Path(environment.path) / file
    missing.rename(missing.with_name("aside"))
    no_uv("error: broken")
    after = rebuild(environment)
    missing.with_name("aside").rename(missing)
    assert (after.state, after.failure["code"]) == (Environment.State.FAILED, "BuildFailed")


def test_an_environment_whose_interpreter_went_is_built_with_the_present_one(built: Serving) -> None:
    environment = environment_of(built)
    program = Path(environment.path) / "bin" / "python"
    program.unlink()
    program.symlink_to("/nonexistent/python")
    Environment.objects.update(seal="")  # the link is what it was, but leads nowhere now
    assert not prepare.ready(built.current).is_ready
    assert made(built).is_ready
    assert program.exists()


def test_a_worker_that_could_not_go_on_tries_again_after_a_pause_but_not_for_ever(
    built: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_of(built)
    Environment.objects.update(state=Environment.State.WAITING, path="", seal="")

    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked\0")

    monkeypatch.setattr(build, "build", locked)
    for _ in range(problems.MOST_TRIES):
        prepared = prepare.ready(built.current)
        assert prepared.failure is None
        with pytest.raises(OperationalError):
            rows.build_row(environment.pk)
        assert "database is locked" in prepare.ready(built.current).sentence
        assert not rows.build_row(environment.pk)  # not before the pause is over
        Environment.objects.update(lease_until=timezone.now() - timedelta(minutes=5))
    prepared = prepare.ready(built.current)
    assert prepared.failure is not None
    assert prepared.failure["code"] == "WorkerFailed"
    assert "\0" not in prepared.failure["reason"]


def test_no_nul_byte_reaches_the_database(create: Create, no_uv: NoUv) -> None:
    """PostgreSQL refuses them in texts."""
    serving = create(requirements=REQUIREMENTS)
    no_uv("error: bad \\000 word \\377\n")
    assert made(serving).failure
    row = Resolution.objects.get()
    assert "bad  word" in row.log
    assert "\0" not in row.log
    assert "u0000" not in json.dumps(row.failure)


def test_what_is_no_text_is_kept_out_of_a_problem() -> None:
    problem = problems.EnvironmentProblem("Code", "six\0.py is gone", "a file \udcff\0")
    assert problem.as_json() == {
        "code": "Code",
        "reason": "six.py is gone",
        "evidence": "a file ?",
        "tries": 1,
    }
