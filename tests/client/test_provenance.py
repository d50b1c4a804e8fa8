"""What an export tells of itself: example, schema, tags, aliases, and the process it comes from."""

import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hopyard.client import Client, provenance
from hopyard.client.schema import derived
from tests.client.scripted import VERSION, Scripted, refuses, says, says_raw

UPLOADS = "/api/projects/demo/models/iris/uploads/"
DRAFT = "/api/projects/demo/uploads/7/"
ALIASES = "/api/projects/demo/models/iris/aliases"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "weights.txt").write_text("1 2 3")
    return tmp_path / "weights.txt"


@pytest.fixture(autouse=True)
def _not_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process have imported it."""
    monkeypatch.delitem(sys.modules, "hopyard.cli", raising=False)


@pytest.fixture(autouse=True)
def accepting(scripted: Scripted) -> None:
    scripted.on("POST", UPLOADS, says(201, {"id": 7}))
    for name in ("weights.txt", "input_example.json", "model_schema.json"):
        scripted.on("PUT", f"{DRAFT}files/{name}", says(201, {}))
    scripted.on("POST", f"{DRAFT}finalise/", says(201, VERSION))


def sent(scripted: Scripted, name: str) -> Any:
    (found,) = [each for each in scripted.requests if each.path.endswith(f"/files/{name}")]
    return json.loads(found.body)


def git(*words: str, folder: Path) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    (folder / "train.py").write_text("one")
    git("init", "-q", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "-q", "-m", "first", folder=folder)
    monkeypatch.chdir(folder)
    return folder


def test_an_export_tells_python_program_packages_and_commit(
    client: Client, scripted: Scripted, weights: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(repository / "train.py"), "--token", "hunter2"])
    client.models.export(weights, "iris")
    asked = scripted.requests[0].json
    assert asked["provenance"] == {
        "client": f"hopyard {metadata.version('hopyard')}",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "program": "train.py",
        "git_commit": git("rev-parse", "HEAD", folder=repository),
        "git_is_dirty": False,
    }
    assert asked["packages"]["numpy"] == np.__version__
    assert not asked["packages"].keys() & {"ruff", "mypy", "djade"}, "installed, but not imported"


def test_changes_to_tracked_files_make_the_commit_dirty(repository: Path) -> None:
    (repository / "new.txt").write_text("untracked files do not count")
    assert provenance.collect()["git_is_dirty"] is False
    (repository / "train.py").write_text("two")
    assert provenance.collect()["git_is_dirty"] is True


def test_nothing_secret_goes_along(
    client: Client, scripted: Scripted, weights: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr("sys.argv", [str(repository / "train.py"), "--password=hunter2"])
    client.models.export(weights, "iris")
    body = scripted.requests[0].body.decode()
    for secret in ("hunter2", "secret-folder", str(Path.home()), platform.node()):
        assert secret not in body


@pytest.mark.parametrize("git_there", ["absent", "slow", "failing"])
def test_an_export_does_without_git(
    git_there: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if git_there != "absent":
        script = "exec /bin/sleep 60" if git_there == "slow" else "exit 128"
        (programs / "git").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(provenance, "GIT_SECONDS", 0.2)
    assert provenance.collect().keys() == {"client", "python", "platform", "program"}


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        ([""], "an interactive session"),
        (["-c"], "an interactive session"),
        ([], "an interactive session"),
        (["/x/ipykernel_launcher.py"], "a notebook"),
        (["/home/me/train.py"], "train.py"),
    ],
)
def test_the_program_is_named_without_its_folder(
    argv: list[str], program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", argv)
    assert provenance.collect()["program"] == program


def test_the_command_line_does_not_pass_its_own_packages_off_as_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert provenance.packages()
    monkeypatch.setitem(sys.modules, "hopyard.cli", sys)
    assert provenance.packages() == {}


def test_somebody_elses_broken_metadata_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "broken")

    monkeypatch.setattr(metadata, "packages_distributions", broken)
    assert provenance.packages() == {}


def test_the_packages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {"pytest": [f"p{number}" for number in range(1000)]}
    monkeypatch.setattr(metadata, "packages_distributions", lambda: many)
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    assert len(provenance.packages()) == provenance.MOST_PACKAGES


def test_example_schema_tags_and_aliases_go_with_the_version(
    client: Client, scripted: Scripted, weights: Path
) -> None:
    for name in ("champion", "staging"):
        scripted.on("PUT", f"{ALIASES}/{name}/", says(201, {"name": name, "version": 1}))
    made = client.models.export(
        weights,
        "iris",
        input_example=pd.DataFrame({"sepal": [5.1, 4.9], "kind": ["a", "b"]}),
        tags={"data": {"rows": np.int64(150)}},
        aliases=["champion", "staging"],
    )
    assert made.aliases == ["champion", "staging"]
    assert scripted.requests[0].json["tags"] == {"data": {"rows": 150}}
    assert sent(scripted, "input_example.json") == [[5.1, "a"], [4.9, "b"]]
    columns = sent(scripted, "model_schema.json")["input_schema"]["columnar_schema"]
    assert [column["name"] for column in columns] == ["sepal", "kind"]
    assert [json.loads(each.body) for each in scripted.requests[-2:]] == [{"version": 1}] * 2


def test_a_given_schema_wins_over_the_derived_one(client: Client, scripted: Scripted, weights: Path) -> None:
    schema = {"output_schema": {"tensor_schema": {"type": "int64", "shape": "(1,)"}}}
    client.models.export(weights, "iris", input_example=[[1.0]], schema=schema)
    assert sent(scripted, "model_schema.json") == schema


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"aliases": ["latest"]}, "cannot be an alias"),
        ({"aliases": "Champion"}, "cannot be an alias"),
        ({"input_example": [[float("nan")]]}, "cannot be sent as JSON"),
        ({"input_example": np.zeros((1000, 1000))}, "a few rows of it are enough"),
        ({"input_example": object()}, "cannot be sent as JSON"),
        ({"schema": {"columns": []}}, "with input_schema or output_schema"),
        ({"tags": {"a": {1, 2}}}, "cannot be sent as JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_sent(
    options: dict[str, Any], sentence: str, client: Client, scripted: Scripted, weights: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        client.models.export(weights, "iris", **options)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("example", "side"),
    [
        (np.zeros((3, 4)), {"tensor_schema": {"type": "float64", "shape": "(3, 4)"}}),
        (pd.Series([1, 2], name="age"), {"columnar_schema": [{"name": "age", "type": "int64"}]}),
        ([[1, 2.5], [3, 4]], {"tensor_schema": {"type": "float64", "shape": "(2, 2)"}}),
        ([True], {"tensor_schema": {"type": "bool", "shape": "(1,)"}}),
        (
            [{"a": 1, "b": "x"}],
            {"columnar_schema": [{"name": "a", "type": "int64"}, {"name": "b", "type": "string"}]},
        ),
        ({"instances": [[1]]}, {"tensor_schema": {"type": "int64", "shape": "(1, 1)"}}),
        (
            {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]},
            {"tensor_schema": [{"name": "x", "type": "FP32", "shape": "(1, 2)"}]},
        ),
    ],
)
def test_a_schema_is_derived_from_what_an_example_is(example: Any, side: dict[str, Any]) -> None:
    assert derived(example) == {"input_schema": side}


@pytest.mark.parametrize("example", [None, "text", 5, [], {}, [[1], [2, 3]], [[]], [None]])
def test_no_schema_is_made_up(example: Any) -> None:
    assert derived(example) is None


def test_a_version_is_found_by_alias(client: Client, scripted: Scripted) -> None:
    scripted.on("GET", "/api/projects/demo/models/iris/versions/champion/", says(200, VERSION))
    assert client.models.get("iris", alias="champion").version == 1
    assert client.models.get("iris", "champion").version == 1
    with pytest.raises(ValueError, match="not both"):
        client.models.get("iris", 1, alias="champion")


def test_tags_aliases_and_descriptions_are_changed_where_they_are(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, VERSION), says_raw(204, b""), says_raw(204, b""), says(200, VERSION))
    client.models.set_tag("iris", 1, "data", [1])
    client.models.delete_tag("iris", 1, "data")
    client.models.delete_alias("iris", "champion")
    client.models.describe("iris", 1, framework="PyTorch")
    base = "/api/projects/demo/models/iris"
    assert scripted.calls == [
        f"PUT {base}/versions/1/tags/data/",
        f"DELETE {base}/versions/1/tags/data/",
        f"DELETE {base}/aliases/champion/",
        f"PATCH {base}/versions/1/",
    ]
    with pytest.raises(ValueError, match="no files that can change"):
        client.models.describe("iris", 1, files=[])


def test_a_comparison_is_read_with_its_differences(client: Client, scripted: Scripted) -> None:
    answer = {
        "a": 1,
        "b": 2,
        "metrics": [{"name": "loss", "state": "changed", "before": 2, "after": 1, "difference": -1.0}],
        "files": [{"path": "m", "state": "added", "before": None, "after": {"size": 3, "sha256": "f"}}],
        "diffs": {"a.py": {"unified": "@@\n-1\n+2\n", "added": 1, "removed": 1, "reason": ""}},
    }
    scripted.then(says(200, answer), refuses(404, "not_found", "No version 9."))
    found = client.models.compare("iris", 1, "latest")
    assert (found.metrics[0].difference, found.diffs["a.py"].added) == (-1.0, 1)
    assert found.files[0].after is not None
    assert scripted.calls == ["GET /api/projects/demo/models/iris/compare/?a=1&b=latest"]
