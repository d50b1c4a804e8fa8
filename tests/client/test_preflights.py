"""Pre-flights: waited for, shown, and what a red one means for a start; and the wait while packages are built."""

import re
from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hopyard import cli
from hopyard.client import (
    Client,
    FilesRefused,
    PreflightFailed,
    Serving,
    ServingFailed,
    TimedOut,
    config,
    waiting,
)
from hopyard.client.config import Configuration
from hopyard.client.serving_records import Condition
from hopyard.client.waiting import until_running
from tests.client.scripted import READY, SERVING, TRANSFORMED, Scripted, page, refuses, says

PROJECT = "/api/projects/demo/"
PATH = f"{PROJECT}servings/iris/"
SCRIPT = "Models/iris/1/predictor.py"
SYNTAX = {
    "name": "syntax",
    "title": "Syntax",
    "state": "passed",
    "sentence": "It is Python 3.11.",
    "seconds": 0.1,
}
IMPORTS = {
    "name": "imports",
    "title": "Imports",
    "state": "failed",
    "sentence": "There is no module numpyy.",
    "code": "DependencyMissing",
    "evidence": "Traceback ...",
    "seconds": 1.25,
}
RED = {"id": 7, "state": "failed", "checks": [SYNTAX, IMPORTS]}
Run = Callable[..., Result]


@pytest.fixture
def run(scripted: Scripted) -> Run:
    config.save(Configuration(scripted.url, "hop_saved", "demo"))
    return lambda *arguments: CliRunner().invoke(cli.main, arguments)


def under_way(*checks: dict[str, Any]) -> dict[str, Any]:
    return {"id": 7, "state": "running" if checks else "waiting", "checks": list(checks)}


def at(title: str, sentence: str = "") -> dict[str, Any]:
    return {"name": title.lower(), "title": title, "state": "running", "sentence": sentence}


def test_a_check_sends_the_settings_and_returns_when_it_has_ended(
    client: Client, scripted: Scripted, pauses: list[float]
) -> None:
    scripted.then(says(202, under_way()), says(200, under_way(at("Syntax"))), says(200, RED))
    found = client.servings.check(SCRIPT, requirements="six", resources={"memory_mb": 256})
    assert scripted.calls == [f"POST {PROJECT}preflights/", *[f"GET {PROJECT}preflights/7/"] * 2]
    assert scripted.requests[0].json == {
        "script": SCRIPT,
        "model": "iris",
        "model_version": 1,
        "requirements": "six",
        "resources": {"memory_mb": 256},
    }
    assert not found.has_passed
    assert [(check.code, check.seconds) for check in found.failed_checks] == [("DependencyMissing", 1.25)]
    assert pauses == [0.2]


def test_a_check_that_does_not_end_says_what_it_was_doing(client: Client, scripted: Scripted) -> None:
    scripted.then(says(202, under_way()), says(200, under_way(at("Loads"))))
    with pytest.raises(TimedOut, match="still running after 0 seconds: Loads"):
        client.servings.check(SCRIPT, timeout=0)


def test_a_serving_is_checked_again_and_its_preflight_read(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, under_way()), says(200, RED), says(200, TRANSFORMED), says(200, SERVING))
    assert client.servings.check_again("iris").state == "failed"
    found = client.servings.preflight("iris")
    assert found is not None
    assert found.has_passed
    assert client.servings.preflight("iris") is None
    assert scripted.calls[0] == f"POST {PATH}preflight/"


def test_a_red_preflight_refuses_the_start_with_its_checks(client: Client, scripted: Scripted) -> None:
    scripted.then(refuses(409, "preflight_failed", "The pre-flight of revision 3 is red."))
    scripted.then(says(200, {**SERVING, "preflight": RED}))
    with pytest.raises(PreflightFailed, match="revision 3 is red") as caught:
        client.servings.start("iris", wait=True)
    assert [check.title for check in caught.value.checks] == ["Imports"]
    assert scripted.requests[0].body == b""


def test_the_refusal_is_told_though_its_checks_cannot_be_had(client: Client, scripted: Scripted) -> None:
    scripted.then(refuses(409, "preflight_failed", "It is red."), refuses(500, "internal", "no"))
    with pytest.raises(PreflightFailed, match="It is red") as caught:
        client.servings.start("iris")
    assert caught.value.checks == ()


def test_an_owner_says_that_it_may_start_nevertheless(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, SERVING))
    client.servings.start("iris", override=True)
    assert scripted.requests[0].json == {"override": True}


def test_files_that_the_policy_keeps_from_serving_are_an_error_of_their_own(
    client: Client, scripted: Scripted
) -> None:
    scripted.then(refuses(409, "files_refused", "weights.pkl imports os.system."))
    with pytest.raises(FilesRefused, match=r"os\.system"):
        client.servings.start("iris")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time passes only by the pauses."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(waiting, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting, "sleep", sleep)
    return now


def starting(reason: str) -> Serving:
    return Serving("iris", "Starting", condition=Condition("SCHEDULED", None, reason), wanted_replicas=1)


def test_building_packages_does_not_count_against_the_start(clock: list[float]) -> None:
    looks = [
        *[starting("Resolving the requirements")] * 300,
        *[starting("Building the environment: 3 of 90 packages")] * 900,
        Serving("iris", "Running"),
    ]
    seen: list[Serving] = []
    until_running(iter(looks).__next__, lambda _: True, None, seen.append)
    assert 2300 < clock[0] < waiting.LONGEST_BUILD_SECONDS
    assert len(seen) == 1200


@pytest.mark.parametrize(
    ("reason", "timeout", "seconds"),
    [
        ("Building the environment", None, waiting.LONGEST_BUILD_SECONDS + waiting.PATIENCE_SECONDS),
        ("Waiting for the worker", None, waiting.PATIENCE_SECONDS),
        ("Building the environment", 30, 30),
    ],
)
def test_every_wait_ends(clock: list[float], reason: str, timeout: float | None, seconds: float) -> None:
    looks = repeat(starting(reason))
    with pytest.raises(TimedOut, match=rf"still Starting after \d+ seconds: {reason}"):
        until_running(looks.__next__, lambda _: True, timeout)
    assert seconds - 5 < clock[0] <= seconds


def test_a_resolution_that_failed_is_told_in_the_resolvers_words(client: Client, scripted: Scripted) -> None:
    failure = {
        "code": "EnvironmentConflict",
        "reason": "It cannot be had.",
        "evidence": "Because a>2 and a<1 ...",
    }
    scripted.then(says(200, SERVING), says(200, {**SERVING, "status": "Failed", "failure": failure}))
    with pytest.raises(ServingFailed, match="Because a>2") as caught:
        client.servings.start("iris", wait=True)
    assert caught.value.code == "EnvironmentConflict"


def test_the_command_tells_each_reason_once_beside_the_output(scripted: Scripted, run: Run) -> None:
    scripted.then(says(200, SERVING))
    for reason in ("Building the environment", "Building the environment", "Loading the model"):
        condition = {"type": "SCHEDULED", "status": None, "reason": reason}
        scripted.then(says(200, {**SERVING, "status": "Starting", "condition": condition}))
    scripted.then(says(200, SERVING), page(READY))
    result = run("serving", "start", "iris", "--override")
    assert result.stdout == f"iris is Running: {SERVING['url']}\n"
    assert result.stderr == "Starting: Building the environment\nStarting: Loading the model\n"
    assert scripted.requests[0].json == {"override": True}


def test_the_command_shows_why_the_preflight_is_red(scripted: Scripted, run: Run) -> None:
    scripted.then(refuses(409, "preflight_failed", "It is red."), says(200, {**SERVING, "preflight": RED}))
    result = run("serving", "start", "iris")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "\nImports: There is no module numpyy.\nTraceback ...\n"
        "Error: It is red. [409 preflight_failed, request r-1]\n"
    )


def test_the_check_command_lists_what_was_found_and_exits_with_1_if_red(scripted: Scripted, run: Run) -> None:
    scripted.then(says(202, under_way()), says(200, under_way(at("Packages", "Building the environment"))))
    scripted.then(says(200, RED))
    result = run("serving", "check", SCRIPT, "--python", "3.12", "--memory-mb", "256")
    assert result.exit_code == 1
    assert result.stderr == "Packages: Building the environment\n"
    assert re.search(r"^failed +Imports +1\.2 s +There is no module numpyy\.$", result.stdout, re.MULTILINE)
    assert result.stdout.endswith("\nImports: There is no module numpyy.\nTraceback ...\n")
    assert (scripted.requests[0].json["python"], scripted.requests[0].json["resources"]) == (
        "3.12",
        {"memory_mb": 256},
    )


def test_the_check_command_checks_a_serving_as_it_is(scripted: Scripted, run: Run) -> None:
    scripted.then(says(200, under_way()), says(200, {**RED, "state": "passed", "checks": [SYNTAX]}))
    assert run("serving", "check", "iris").exit_code == 0
    assert scripted.calls[0] == f"POST {PATH}preflight/"
    assert run("serving", "check", "iris", "--python", "3.12").exit_code == 2
