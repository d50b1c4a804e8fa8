"""The command line, from what is typed to what is shown and the exit code."""

import json
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hopyard import cli
from hopyard.client import config
from hopyard.client.commands.asking import new_lines
from hopyard.client.config import Configuration
from tests.client.scripted import READY, SERVING, VERSION, Scripted, page, refuses, says, says_raw

SERVINGS = "/api/projects/demo/servings/"
Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    def invoke(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(cli.main, arguments, input=given)

    return invoke


@pytest.fixture
def logged_in(scripted: Scripted) -> Scripted:
    config.save(Configuration(scripted.url, "hop_saved", "demo"))
    return scripted


def test_login_exchanges_the_password_for_a_key_and_keeps_it_private(scripted: Scripted, run: Run) -> None:
    scripted.then(says(201, {"key": "hop_new", "id": "1", "project": "demo", "scopes": ["read"]}))
    result = run("login", given=f"{scripted.url}/\nalice\nsecret\ndemo\n")
    assert result.exit_code == 0, result.output
    asked = scripted.requests[0].json
    assert (asked["username"], asked["password"], asked["project"]) == ("alice", "secret", "demo")
    assert asked["name"].startswith("hopyard login on ")
    assert config.load() == Configuration(scripted.url, "hop_new", "demo")
    assert stat.S_IMODE(config.path().stat().st_mode) == 0o600
    assert f"Logged in to {scripted.url} as alice, project demo." in result.output
    assert "secret" not in result.output
    assert "hop_new" not in result.output


def test_a_wrong_password_is_one_line_and_saves_nothing(scripted: Scripted, run: Run) -> None:
    scripted.then(refuses(401, "not_authenticated", "The user name or the password is wrong."))
    result = run("login", "--url", scripted.url, "--username", "alice", "--project", "demo", given="wrong\n")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: The user name or the password is wrong. [401 not_authenticated, request r-1]"
    )
    assert config.load() is None


@pytest.mark.parametrize("typed", [("--api-key", "hop_mine"), ("--with-key",)])
def test_a_key_one_has_already_is_checked_and_kept(
    scripted: Scripted, run: Run, typed: tuple[str, ...]
) -> None:
    me = {"username": "alice", "projects": [], "key": {"id": "1", "project": "demo", "scopes": []}}
    scripted.then(says(200, me))
    result = run("login", "--url", scripted.url, *typed, given="hop_mine\n")
    assert result.exit_code == 0, result.output
    assert config.load() == Configuration(scripted.url, "hop_mine", "demo")
    assert scripted.requests[0].headers["Authorization"] == "ApiKey hop_mine"


def test_a_key_for_several_projects_needs_to_be_told_which(scripted: Scripted, run: Run) -> None:
    projects = [{"name": "one", "role": "owner"}, {"name": "two", "role": "member"}]
    scripted.then(says(200, {"username": "alice", "projects": projects, "key": None}))
    result = run("login", "--url", scripted.url, "--api-key", "hop_mine")
    assert result.exit_code == 1
    assert "this key reaches one, two" in result.stderr


def test_logout_forgets_the_key(logged_in: Scripted, run: Run) -> None:
    assert "until you revoke it" in run("logout").output
    assert config.load() is None
    assert run("logout").output == "There was no saved login.\n"


def test_whoami_says_who_and_where(logged_in: Scripted, run: Run) -> None:
    me = {"username": "alice", "projects": [{"name": "demo", "role": "owner"}], "key": None}
    logged_in.then(says(200, me))
    assert run("whoami").output == f"alice at {logged_in.url}, project demo\n  demo (owner)\n"


def test_without_a_login_the_three_ways_are_told(run: Run) -> None:
    result = run("model", "list")
    assert result.exit_code == 1
    assert "HOPYARD_URL" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_project_can_be_chosen_before_the_command(logged_in: Scripted, run: Run) -> None:
    logged_in.then(page())
    assert run("--project", "other", "serving", "list").output == "There are no servings yet.\n"
    assert logged_in.calls == ["GET /api/projects/other/servings/"]


def test_lists_are_aligned(logged_in: Scripted, run: Run) -> None:
    logged_in.then(page(SERVING, {**SERVING, "name": "aLongerName", "status": "Failed"}))
    lines = run("serving", "list").output.splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "READY", "MODEL", "REVISION", "URL"]
    assert (
        len({line.index(word) for line, word in zip(lines, ("STATUS", "Running", "Failed"), strict=True)})
        == 1
    )


def test_lists_are_json_for_programs(logged_in: Scripted, run: Run) -> None:
    logged_in.then(
        page({"name": "iris", "latest": 2, "version_count": 2, "created_at": "2026-01-02T03:04:05Z"})
    )
    (found,) = json.loads(run("model", "list", "--json").output)
    assert (found["name"], found["latest"], found["created_at"]) == ("iris", 2, "2026-01-02T03:04:05+00:00")


def test_aliases_and_tags_are_set_shown_and_removed(logged_in: Scripted, run: Run) -> None:
    alias = {"name": "champion", "version": 2, "set_by": "bob"}
    base = "/api/projects/demo/models/iris"
    logged_in.on("PUT", f"{base}/aliases/champion/", says(200, alias))
    logged_in.on("DELETE", f"{base}/aliases/champion/", says_raw(204, b""))
    logged_in.on("GET", f"{base}/", says(200, {"name": "iris", "aliases": [alias]}))
    logged_in.on("PUT", f"{base}/versions/1/tags/rows/", says(200, VERSION))
    logged_in.on("GET", f"{base}/versions/1/", says(200, {**VERSION, "tags": {"rows": [1, 2], "note": "x"}}))
    assert (
        "champion stands for iris version 2."
        in run("model", "alias", "iris", "champion", "--version", "2").output
    )
    assert "champion  2" in run("model", "alias", "iris").output
    assert "Removed the alias" in run("model", "alias", "iris", "champion", "--remove").output
    assert run("model", "alias", "iris", "champion").exit_code == 2
    shown = run("model", "tag", "iris", "--version", "1", "--set", "rows=[1, 2]").output
    assert "rows  [1, 2]" in shown
    assert "note  x" in shown
    (put,) = [each for each in logged_in.requests if "/tags/" in each.path]
    assert put.json == {"value": [1, 2]}


def test_two_versions_are_compared_with_their_texts(logged_in: Scripted, run: Run) -> None:
    found = {
        "a": 1,
        "b": 2,
        "metrics": [{"name": "loss", "state": "changed", "before": 2, "after": 1, "difference": -1.0}],
        "files": [
            {"path": "a.py", "state": "removed", "before": {"size": 3, "sha256": "f" * 64}, "after": None}
        ],
        "diffs": {"b.py": {"unified": "@@ -1 +1 @@\n-one\n+two\n", "added": 1, "removed": 1, "reason": ""}},
    }
    logged_in.on("GET", "/api/projects/demo/models/iris/compare/", says(200, found))
    shown = run("model", "compare", "iris", "1", "latest").output
    assert "metric loss  2" in shown
    assert "file a.py    3 B ffffffffffff" in shown
    assert "--- b.py (version 1)\n+++ b.py (version 2)\n@@ -1 +1 @@\n-one\n+two\n" in shown
    assert json.loads(run("model", "compare", "iris", "1", "latest", "--json").output)["b"] == 2


def test_an_alias_names_a_version_to_show(logged_in: Scripted, run: Run) -> None:
    logged_in.on("GET", "/api/projects/demo/models/iris/versions/champion/", says(200, VERSION))
    assert "Models/iris/1/a.txt" in run("model", "show", "iris", "--version", "champion").output


def test_a_version_is_described_anew(logged_in: Scripted, run: Run) -> None:
    logged_in.on("PATCH", "/api/projects/demo/models/iris/versions/1/", says(200, VERSION))
    run("model", "describe", "iris", "--version", "1", "--metric", "accuracy=0.9", "--framework", "sklearn")
    assert logged_in.requests[-1].json == {"framework": "sklearn", "metrics": {"accuracy": 0.9}}
    assert run("model", "describe", "iris", "--version", "1").exit_code == 2


def test_a_model_shows_its_versions_or_the_files_of_one(logged_in: Scripted, run: Run) -> None:
    logged_in.then(says(200, {"name": "iris", "versions": [{**VERSION, "metrics": {"accuracy": 0.5}}]}))
    assert "accuracy=0.5" in run("model", "show", "iris").output
    logged_in.then(says(200, VERSION))
    assert "Models/iris/1/a.txt  3 B" in run("model", "show", "iris", "--version", "1").output


def test_an_export_says_what_it_made(logged_in: Scripted, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    logged_in.then(says(201, {"id": 7}), says(201, {}), says(201, VERSION))
    result = run(
        "model", "export", str(tmp_path / "a.txt"), "iris", "--metric", "accuracy=0.97", "--metric", "by=me"
    )
    assert result.output == "Exported iris version 1: 1 files, 3 B.\n"
    assert logged_in.requests[0].json["metrics"] == {"accuracy": 0.97, "by": "me"}


def test_deleting_asks_first(logged_in: Scripted, run: Run) -> None:
    assert run("model", "delete", "iris", given="n\n").exit_code == 1
    assert logged_in.requests == []
    logged_in.then(says_raw(204, b""))
    assert "Deleted version 2 of iris." in run("model", "delete", "iris", "--version", "2", "--yes").output
    assert logged_in.calls == ["DELETE /api/projects/demo/models/iris/versions/2/"]


def test_a_serving_is_created_from_a_script(logged_in: Scripted, run: Run) -> None:
    logged_in.then(says(201, SERVING))
    options = (
        "--replicas",
        "2",
        "--cores",
        "0.5",
        "--env",
        "MODE=fast=er",
        "--no-batching",
        "--topic",
        "NONE",
    )
    result = run("serving", "create", "iris", "Models/iris/1/predictor.py", *options)
    assert "hopyard serving start iris" in result.output
    assert logged_in.requests[0].json == {
        "name": "iris",
        "script": "Models/iris/1/predictor.py",
        "model": "iris",
        "model_version": 1,
        "replicas": 2,
        "topic": "NONE",
        "env": {"MODE": "fast=er"},
        "resources": {"cores": 0.5},
        "batching": {"mode": "off"},
    }


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (("--batching", "auto"), {"batching": {"mode": "auto"}}),
        (("--batching", "on", "--max-latency-ms", "5"), {"batching": {"mode": "on", "max_latency_ms": 5}}),
        (("--max-batch-size", "8"), {"batching": {"max_batch_size": 8}}),
        (("--no-batching", "--batching", "off"), {"batching": {"mode": "off"}}),
        (("--max-concurrency", "4", "--class-name", "X"), {"max_concurrency": 4, "class_name": "X"}),
    ],
)
def test_an_edit_says_how_requests_are_predicted(
    logged_in: Scripted, run: Run, typed: tuple[str, ...], sent: dict[str, object]
) -> None:
    logged_in.then(says(200, SERVING), says(200, SERVING))
    assert run("serving", "edit", "iris", *typed).exit_code == 0
    assert logged_in.requests[1].json == {**sent, "expected_revision": 3}


@pytest.mark.parametrize("typed", [("--batching", "maybe"), ("--batching", "on", "--no-batching")])
def test_batching_that_makes_no_sense_is_a_wrong_usage(
    logged_in: Scripted, run: Run, typed: tuple[str, ...]
) -> None:
    logged_in.then(says(200, SERVING))
    assert run("serving", "edit", "iris", *typed).exit_code == 2


def test_an_edit_keeps_what_it_does_not_name(logged_in: Scripted, run: Run) -> None:
    logged_in.then(says(200, SERVING), says(200, {**SERVING, "revision": 4}))
    result = run("serving", "edit", "iris", "--memory-mb", "2048", "--env", "LEVEL=1", "--unset", "MODE")
    assert result.output == "Edited iris: revision 4.\n"
    assert logged_in.requests[1].json == {
        "resources": {"cores": 1.0, "memory_mb": 2048, "gpus": 0},
        "env": {"LEVEL": "1"},
        "expected_revision": 3,
    }


def test_an_edit_of_nothing_is_a_wrong_usage(logged_in: Scripted, run: Run) -> None:
    logged_in.then(says(200, SERVING))
    assert run("serving", "edit", "iris").exit_code == 2


@pytest.mark.parametrize(
    "typed",
    [("serving", "create", "iris"), ("model", "export", "a", "b", "--metric", "accuracy"), ("nonsense",)],
)
def test_wrong_usage_exits_with_2(run: Run, typed: tuple[str, ...]) -> None:
    assert run(*typed).exit_code == 2


def test_a_refusal_is_one_line_on_stderr(logged_in: Scripted, run: Run) -> None:
    logged_in.then(refuses(409, "name_taken", "There is a serving iris already."))
    result = run("serving", "create", "iris", "Models/iris/1/predictor.py")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: There is a serving iris already. [409 name_taken, request r-1]\n"


def test_a_failed_start_shows_the_evidence_and_the_reason(logged_in: Scripted, run: Run) -> None:
    failure = {
        "code": "ScriptImportFailed",
        "reason": "No module named 'x'.",
        "evidence": "Traceback ...",
        "attempt": 3,
    }
    logged_in.then(says(200, SERVING), says(200, {**SERVING, "status": "Failed", "failure": failure}))
    result = run("serving", "start", "iris")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Traceback ...\nError: Serving iris failed (ScriptImportFailed): No module named 'x'.\n"
    )


def test_a_start_says_where_it_answers(logged_in: Scripted, run: Run) -> None:
    logged_in.then(says(200, SERVING), says(200, SERVING), page(READY))
    assert run("serving", "start", "iris").output == f"iris is Running: {SERVING['url']}\n"


def test_a_serving_is_shown_with_its_failure(logged_in: Scripted, run: Run) -> None:
    failure = {"code": "OutOfMemory", "reason": "It used 1 GiB.", "evidence": "killed", "attempt": 1}
    logged_in.then(says(200, {**SERVING, "failure": failure}))
    shown = run("serving", "show", "iris").output
    assert re.search(r"^Failure: +OutOfMemory: It used 1 GiB\.$", shown, re.MULTILINE)
    assert shown.endswith("\nkilled\n")


@pytest.mark.parametrize("way", ["typed", "file", "piped"])
def test_a_prediction_takes_its_data_as_text_file_or_pipe(
    logged_in: Scripted, run: Run, tmp_path: Path, way: str
) -> None:
    (tmp_path / "data.json").write_text('{"instances": [[1]]}')
    typed = {"typed": '{"instances": [[1]]}', "file": f"@{tmp_path / 'data.json'}", "piped": "-"}[way]
    logged_in.then(says(200, {"predictions": [1]}))
    result = run("predict", "iris", typed, given='{"instances": [[1]]}')
    assert json.loads(result.output) == {"predictions": [1]}
    assert logged_in.requests[0].json == {"instances": [[1]]}


def test_data_that_is_no_json_or_no_file_is_said_so(logged_in: Scripted, run: Run) -> None:
    result = run("predict", "iris", "{instances: 1}")
    assert result.exit_code == 2
    assert "The data is not JSON" in result.stderr
    result = run("predict", "iris", "@nowhere.json")
    assert result.exit_code == 1
    assert "nowhere.json" in result.stderr


def test_logs_of_several_replicas_name_them(logged_in: Scripted, run: Run) -> None:
    logs = [{"name": "r1", "content": "one\ntwo"}, {"name": "r2", "content": "three"}]
    logged_in.then(says(200, {"replicas": logs}))
    assert run("logs", "iris", "--search", "o", "--tail", "5").output == "r1 | one\nr1 | two\nr2 | three\n"
    assert logged_in.calls == [f"GET {SERVINGS}iris/logs/?search=o&tail=5"]


def test_logs_that_are_empty_say_so_beside_the_output(logged_in: Scripted, run: Run) -> None:
    logged_in.then(says(200, {"replicas": []}))
    result = run("logs", "iris")
    assert (result.stdout, result.stderr) == ("", "There are no such lines.\n")


def test_logs_are_followed_until_interrupted(
    logged_in: Scripted, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = iter([None, None, KeyboardInterrupt])

    def sleep(_seconds: float) -> None:
        if stop := next(rounds):
            raise stop

    monkeypatch.setattr("hopyard.client.commands.asking.sleep", sleep)
    for content in ("a\nb", "a\nb\nc", "b\nc\nc\nd"):
        logged_in.then(says(200, {"replicas": [{"name": "r1", "content": content}]}))
    result = run("logs", "iris", "--follow")
    assert result.output == "a\nb\nc\nc\nd\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("bcd", "abcde", "e"),
        ("aaa", "aaaa", ""),
        ("abc", "xyz", "xyz"),
        ("abc", "", ""),
    ],
)
def test_only_lines_not_seen_before_are_new(before: str, now: str, new: str) -> None:
    assert new_lines(list(before), list(now)) == list(new)


def test_up_outside_a_checkout_says_how_to_get_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("up")
    assert result.exit_code == 1
    assert "make up" in result.stderr


def test_up_becomes_the_checkouts_own_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: started.append(arguments))
    for folder in ("sdk/hopyard", "deep/inside", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    monkeypatch.chdir(tmp_path / "deep/inside")
    assert "not set up yet" in run("up").stderr
    (tmp_path / ".venv/bin/python").touch()
    run("up", "--port", "9000")
    assert started == [[str(tmp_path / ".venv/bin/python"), "manage.py", "up", "--port", "9000"]]
    assert Path.cwd() == tmp_path


def test_serve_starts_the_model_server(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def main(arguments: list[str], *, announce: Callable[..., None]) -> int:
        seen.append(arguments)
        return 3

    monkeypatch.setattr("hopyard.server.main", main)
    script = tmp_path / "predictor.py"
    script.touch()
    result = run("serve", str(script), "--model-dir", str(tmp_path), "--name", "iris", "--port", "0")
    assert result.exit_code == 3
    assert [seen[0][0], *sorted(zip(seen[0][1::2], seen[0][2::2], strict=True))] == [
        str(script),
        ("--artifact-dir", str(tmp_path)),
        ("--model-name", "iris"),
        ("--port", "0"),
    ]


def test_serve_without_its_extra_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("hopyard.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    (tmp_path / "predictor.py").touch()
    result = run("serve", str(tmp_path / "predictor.py"))
    assert result.exit_code == 1
    assert "The model server needs uvloop: pip install './sdk[server]' in a checkout" in result.stderr
