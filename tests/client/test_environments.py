"""Environments by the client and the command line; and the options and commands around revisions and artifacts."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hopyard import cli
from hopyard.client import Client, NotFound, config
from hopyard.client.config import Configuration
from tests.client.scripted import SERVING, TRANSFORMED, Scripted, page, refuses, says

PROJECT = "/api/projects/demo/"
SERVINGS = f"{PROJECT}servings/"
KEY = "0123456789abcdef" * 4
LISTED = {
    "key": KEY,
    "python": "3.12",
    "state": "ready",
    "is_locked": True,
    "package_count": 2,
    "size_bytes": 2048,
    "failure": None,
    "servings": ["iris", "petals"],
    "built_at": "2026-01-02T03:04:05Z",
    "build_seconds": 3.25,
}
SHOWN = {
    **LISTED,
    "lock": "six==1.16.0 \\\n    --hash=sha256:aa\n",
    "packages": [{"name": "six", "version": "1.16.0", "hashes": ["sha256:aa"]}],
    "log": "Resolved 1 package\nInstalled 1 package\n",
}
Run = Callable[..., Result]


@pytest.fixture
def run(scripted: Scripted) -> Run:
    config.save(Configuration(scripted.url, "hop_saved", "demo"))
    return lambda *arguments: CliRunner().invoke(cli.main, arguments)


def test_environments_are_listed_read_verified_and_rebuilt(client: Client, scripted: Scripted) -> None:
    scripted.then(
        page(LISTED), says(200, SHOWN), says(202, LISTED), says(202, {**LISTED, "state": "waiting"})
    )
    (listed,) = client.environments.list()
    assert (listed.key, listed.servings, listed.packages) == (KEY, ["iris", "petals"], [])
    shown = client.environments.get(KEY[:12])
    assert (shown.packages[0].name, shown.packages[0].hashes) == ("six", ["sha256:aa"])
    client.environments.verify(KEY)
    assert client.environments.rebuild(KEY).state == "waiting"
    assert scripted.calls == [
        f"GET {PROJECT}environments/",
        f"GET {PROJECT}environments/{KEY[:12]}/",
        f"POST {PROJECT}environments/{KEY}/verify/",
        f"POST {PROJECT}environments/{KEY}/rebuild/",
    ]


def test_the_pythons_are_those_of_the_platform(client: Client, scripted: Scripted) -> None:
    scripted.then(
        says(200, [{"version": "3.12", "full_version": "3.12.4", "seen_at": "2026-01-02T03:04:05Z"}])
    )
    assert [each.version for each in client.environments.pythons()] == ["3.12"]


def test_an_environment_of_another_project_is_not_found(client: Client, scripted: Scripted) -> None:
    scripted.then(refuses(404, "not_found", "No serving of demo uses an environment 0123."))
    with pytest.raises(NotFound):
        client.environments.get("0123")


def test_the_commands_show_environments_for_people_and_programs(scripted: Scripted, run: Run) -> None:
    scripted.on("GET", f"{PROJECT}environments/", page(LISTED))
    scripted.on("GET", f"{PROJECT}environments/{KEY[:12]}/", says(200, SHOWN))
    listed = run("environment", "list").output.splitlines()
    assert listed[1].split(maxsplit=5) == [KEY[:12], "3.12", "ready", "2", "2.0", "KiB  iris, petals"]
    assert json.loads(run("environment", "list", "--json").output)[0]["key"] == KEY
    shown = run("environment", "show", KEY[:12]).output
    assert re.search(r"^Took: +3\.2 s$", shown, re.MULTILINE)
    assert re.search(r"^six +1\.16\.0$", shown, re.MULTILINE)
    assert run("environment", "log", KEY[:12]).output == SHOWN["log"]


def test_a_failed_environment_is_shown_with_the_resolvers_words(scripted: Scripted, run: Run) -> None:
    failure = {"code": "BuildFailed", "reason": "It could not be installed.", "evidence": "error: no wheel"}
    scripted.then(says(200, {**SHOWN, "state": "failed", "failure": failure, "log": ""}))
    shown = run("environment", "show", KEY[:12]).output
    assert "BuildFailed: It could not be installed." in shown
    assert shown.endswith("\nerror: no wheel\n")


def test_every_new_setting_is_an_option(scripted: Scripted, run: Run, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("six==1.16.0\n")
    scripted.then(says(201, SERVING))
    typed = {
        "--alias": "champion",
        "--artifact-version": "CREATE",
        "--transformer": "Resources/t.py",
        "--transformer-placement": "separate",
        "--transformer-replicas": "2",
        "--transformer-memory-mb": "256",
        "--python": "3.12",
        "--requirements": str(requirements),
    }
    options = [word for pair in typed.items() for word in pair]
    result = run("serving", "create", "iris", "Models/iris/1/predictor.py", *options)
    assert result.exit_code == 0, result.output
    assert scripted.requests[0].json == {
        "name": "iris",
        "script": "Models/iris/1/predictor.py",
        "model": "iris",
        "alias": "champion",
        "artifact_version": "CREATE",
        "transformer": "Resources/t.py",
        "transformer_placement": "separate",
        "transformer_replicas": 2,
        "transformer_resources": {"memory_mb": 256},
        "python": "3.12",
        "requirements": "six==1.16.0\n",
    }


def test_an_edit_can_take_transformer_and_alias_away(scripted: Scripted, run: Run) -> None:
    scripted.then(says(200, TRANSFORMED), says(200, SERVING))
    assert run("serving", "edit", "iris", "--transformer", "", "--alias", "").exit_code == 0
    assert scripted.requests[1].json == {"transformer": "", "alias": "", "expected_revision": 3}


def test_a_serving_is_shown_with_its_transformer_and_packages(scripted: Scripted, run: Run) -> None:
    scripted.then(says(200, TRANSFORMED))
    shown = run("serving", "show", "iris").output
    for line in (
        r"Model: +iris v1 \(champion\)",
        r"Transformer: +Resources/transformer\.py, 2 of its own with 0\.5 cores, 256 MiB",
        r"Replicas: +1 of 4 ready",
        r"Requirements: +numpy==2\.1, scipy",
        r"Pre-flight: +passed",
        "Environment: +eeeeeeeeeeee",
    ):
        assert re.search(f"^{line}$", shown, re.MULTILINE), line


def test_revisions_are_listed_compared_and_brought_back(scripted: Scripted, run: Run) -> None:
    revision = {"revision": 2, "model": "iris", "model_version": 1, "artifact_version": "1"}
    scripted.then(page(revision, {**revision, "revision": 1}))
    lines = run("serving", "revisions", "iris").output.splitlines()
    assert [line.split()[0] for line in lines] == ["REVISION", "2", "1"]
    facts = {"size": 3, "sha256": "a" * 64}
    compared = {
        "a": 1,
        "b": 2,
        "settings": [
            {"name": "replicas", "state": "changed", "before": 1, "after": 2},
            {"name": "topic", "state": "same", "before": "t", "after": "t"},
        ],
        "variables": [{"name": "MODE", "state": "added", "before": None, "after": "fast"}],
        "files": [{"path": "w.bin", "state": "removed", "before": facts, "after": None}],
        "packages": [{"name": "six", "state": "changed", "before": "1.15", "after": "1.16"}],
        "texts": {"script": {"unified": "@@ -1 +1 @@\n-a\n+b\n", "added": 1, "removed": 1, "reason": ""}},
    }
    scripted.then(says(200, compared))
    shown = run("serving", "compare", "iris", "1", "2").output
    for row in (
        r"replicas +1 +2",
        r"variable MODE +fast",
        r"package six +1\.15 +1\.16",
        r"file w\.bin +3 B a{12}",
    ):
        assert re.search(f"^{row}$", shown, re.MULTILINE), shown
    assert "topic" not in shown
    assert shown.endswith("--- script (revision 1)\n+++ script (revision 2)\n@@ -1 +1 @@\n-a\n+b\n")
    scripted.then(says(200, {**SERVING, "revision": 4}))
    assert run("serving", "rollback", "iris", "1").output == "iris is as in revision 1 again: revision 4.\n"
    assert scripted.calls[1:] == [
        f"GET {SERVINGS}iris/revisions/compare/?a=1&b=2",
        f"POST {SERVINGS}iris/revisions/1/rollback/",
    ]


def test_revisions_that_are_the_same_are_said_to_be(scripted: Scripted, run: Run) -> None:
    scripted.then(says(200, {"a": 1, "b": 3, "settings": [], "texts": {}}))
    assert run("serving", "compare", "iris", "1", "3").output == "They do not differ.\n"


def test_artifacts_are_listed(scripted: Scripted, run: Run) -> None:
    artifact = {"number": 0, "label": "MODEL-ONLY", "name": "iris_1_0", "digest": "a" * 64, "size": 3}
    scripted.then(page(artifact))
    assert "MODEL-ONLY  iris_1_0" in run("model", "artifacts", "iris", "1").output
