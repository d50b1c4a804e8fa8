"""The client against the real platform: everything but running replicas, which the end-to-end tests do."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hopyard
from accounts.models import Scope
from hopyard import cli, model, serving
from hopyard.client import (
    ApiError,
    BadRequest,
    Client,
    Conflict,
    Forbidden,
    LogCounts,
    NotAuthenticated,
    NotFound,
    TimedOut,
)
from hopyard.client.serving_records import Batching
from serving.models import Replica, Serving
from tests.conftest import IRIS_SCRIPT, People

NAME = "IrisFlowerClassifier"
SCRIPT = f"Models/{NAME}/1/iris_flower_classifier.py"
ClientOf = Callable[..., Client]


@pytest.fixture
def client_of(live_server: Any, people: People, key_of: Callable[..., Any]) -> Iterator[ClientOf]:
    """A client with a new key of somebody's."""
    made: list[Client] = []

    def connect(name: str = "bob", *scopes: str, project: str = "garden") -> Client:
        options = {"scopes": scopes} if scopes else {}
        made.append(Client(live_server.url, key_of(getattr(people, name), **options)[1], project))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def client(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Bob's, and the one the module functions use."""
    client = client_of()
    monkeypatch.setattr("hopyard.client.default._current", client)
    return client


@pytest.fixture
def iris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a model and its script, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris/data").mkdir(parents=True)
    (tmp_path / "iris/iris_knn.pkl").write_bytes(bytes(range(256)) * 9000)
    (tmp_path / "iris/data/räume und so.csv").write_text("1,2\n")
    (tmp_path / "iris/iris_flower_classifier.py").write_text(IRIS_SCRIPT)
    return tmp_path / "iris"


def test_the_scripts_written_for_hopsworks_run(client: Client, iris: Path) -> None:
    client.files.upload(iris, "Resources/iris")
    model_path = "Resources/iris"
    for _ in range(2):  # the second time over what the first one made
        model.export(model_path, NAME, model_version=1, overwrite=True)
        if serving.exists(NAME):
            serving.delete(NAME)
        serving.create_or_update(NAME, SCRIPT, model_version=1, topic_name="CREATE", instances=1)
    serving.start(NAME, wait=False)
    found = client.servings.get(NAME)
    assert (found.wanted_replicas, found.script, found.model, found.model_version) == (1, SCRIPT, NAME, 1)
    assert found.topic
    assert found.topic.startswith(f"{NAME}-inf")
    assert serving.get_kafka_topic(NAME) == found.topic
    assert serving.get_predictor_resource_config(NAME) == {"memory": 1024, "cores": 1.0, "gpus": 0}
    with pytest.raises(ApiError, match="starting"):
        serving.make_inference_request(NAME, {"instances": [[1, 2]]})
    serving.stop(NAME)
    assert client.servings.get(NAME).wanted_replicas == 0
    serving.delete(NAME)
    assert not serving.exists(NAME)


def test_a_file_becomes_a_version_with_its_metrics(client: Client, iris: Path) -> None:
    made = model.export("iris/iris_knn.pkl", "irisflowerclassifier", metrics={"accuracy": 0.97, "by": "me"})
    assert (made.model, made.version, made.created_by) == ("irisflowerclassifier", 1, "bob")
    assert made.metrics == {"accuracy": 0.97, "by": "me"}
    assert [(file.path, file.size) for file in made.files] == [("iris_knn.pkl", 256 * 9000)]
    assert model.export("iris/iris_knn.pkl", "irisflowerclassifier").version == 2


def test_a_folder_comes_back_byte_for_byte(client: Client, iris: Path, tmp_path: Path) -> None:
    model.export("iris", NAME)
    folder = model.download_model(NAME, 1)
    assert folder == Path(NAME) / "1"
    assert _contents(folder) == _contents(iris)
    with pytest.raises(ValueError, match="already exists"):
        model.download_model(NAME)
    assert model.download_model(NAME, overwrite=True) == Path(NAME)


def test_an_empty_file_is_kept_too(client: Client, iris: Path) -> None:
    (iris / "__init__.py").touch()
    made = client.models.export(iris, NAME)
    assert ("__init__.py", 0) in [(file.path, file.size) for file in made.files]
    client.models.download(NAME, 1, "back")
    assert Path("back/__init__.py").read_bytes() == b""


def test_a_version_that_exists_is_replaced_only_when_told(client: Client, iris: Path) -> None:
    model.export("iris", NAME, model_version=1)
    with pytest.raises(Conflict, match="exists"):
        model.export("iris", NAME, model_version=1)
    (iris / "iris_knn.pkl").unlink()
    replaced = model.export("iris", NAME, model_version=1, overwrite=True)
    assert "iris_knn.pkl" not in [file.path for file in replaced.files]
    assert [version.version for version in client.models.versions(NAME)] == [1]


def test_an_export_that_fails_leaves_nothing(
    client: Client, iris: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hopyard.client.local_files.LocalFile.sha256", lambda _: "0" * 64)
    with pytest.raises(BadRequest, match="sha256"):
        model.export("iris", NAME)
    assert client.models.list() == []


def test_models_are_listed_and_the_best_is_found(client: Client, iris: Path) -> None:
    for accuracy in (0.5, 0.9, 0.7):
        model.export("iris/iris_knn.pkl", "iris", metrics={"accuracy": accuracy})
    (listed,) = client.models.list()
    assert (listed.name, listed.latest, listed.version_count) == ("iris", 3, 3)
    assert [version.version for version in client.models.versions("iris")] == [1, 2, 3]
    assert model.get_best_model("iris", "accuracy", model.Metric.MAX).version == 2
    assert model.get_best_model("iris", "accuracy", model.Metric.MIN).version == 1
    assert client.models.get("iris").version == 3
    with pytest.raises(NotFound):
        model.get_best_model("iris", "speed", model.Metric.MAX)
    with pytest.raises(NotFound):
        client.models.get("iris", 9)


def test_a_model_in_use_is_not_deleted(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    serving.create_or_update(NAME, SCRIPT)
    with pytest.raises(Conflict, match=NAME):
        client.models.delete(NAME, 1)
    with pytest.raises(Conflict, match=NAME):
        client.models.delete(NAME)
    assert client.models.get(NAME, 1).servings == [NAME]


def test_a_model_nobody_uses_is_deleted(client: Client, iris: Path) -> None:
    model.export("iris", "iris")
    model.export("iris", "iris")
    client.models.delete("iris", 1)
    assert [version.version for version in client.models.versions("iris")] == [2]
    client.models.delete("iris")
    with pytest.raises(NotFound):
        client.models.versions("iris")


def test_files_go_up_and_down(client: Client, iris: Path) -> None:
    sent = client.files.upload("iris", "Resources/iris")
    listed = client.files.list("Resources/iris/")
    assert [(file.path, file.size) for file in listed] == [(file.path, file.size) for file in sent]
    assert client.files.download("Resources/iris/data/räume und so.csv").read_text() == "1,2\n"
    client.files.delete("Resources/iris/iris_knn.pkl")
    with pytest.raises(NotFound):
        client.files.download("Resources/iris/iris_knn.pkl")
    with pytest.raises(BadRequest):
        client.files.upload("iris/iris_knn.pkl", "Models/iris.pkl")


def test_settings_come_back_as_they_were_given(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    given: dict[str, Any] = {
        "replicas": 3,
        "resources": {"cores": 0.5, "memory_mb": 256, "gpus": 0},
        "batching": {"mode": "on", "max_batch_size": 16, "max_latency_ms": 3},
        "max_concurrency": 2,
        "class_name": "Predict",
        "env": {"MODE": "fast"},
        "topic": "NONE",
        "description": "Flowers.",
    }
    made = client.servings.create("iris", SCRIPT, **given)
    assert (made.replicas, made.resources.cores, made.resources.memory_mb) == (3, 0.5, 256)
    assert made.batching == Batching(mode="on", enabled=True, max_batch_size=16, max_latency_ms=3)
    assert (made.max_concurrency, made.class_name) == (2, "Predict")
    assert client.servings.revisions("iris")[0].batching == made.batching
    assert (made.env, made.topic, made.description) == ({"MODE": "fast"}, None, "Flowers.")
    assert client.servings.create("iris", SCRIPT, **given) == made
    with pytest.raises(Conflict):
        client.servings.create("iris", SCRIPT, replicas=1)
    assert [each.name for each in client.servings.list()] == ["iris"]


def test_an_edit_made_from_an_old_revision_is_a_conflict(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    client.servings.create("iris", SCRIPT, env={"MODE": "fast"})
    edited = client.servings.update("iris", expected_revision=1, max_concurrency=2)
    assert (edited.revision, edited.max_concurrency, edited.env) == (2, 2, {"MODE": "fast"})
    with pytest.raises(Conflict) as caught:
        client.servings.update("iris", expected_revision=1, max_concurrency=3)
    assert caught.value.code == "edited_meanwhile"
    assert client.servings.roll_back("iris", 1).max_concurrency == 1
    assert [revision.revision for revision in client.servings.revisions("iris")] == [3, 2, 1]
    assert {event.actor for event in client.servings.events("iris")} == {"bob"}
    assert client.servings.replicas("iris") == []
    assert client.servings.logs("iris") == []


def test_a_replica_tells_what_became_of_its_records(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    client.servings.create("iris", SCRIPT)
    row = {"serving": Serving.objects.get(), "revision": 1, "attempt": 1}
    Replica.objects.create(**row, name="r1-0-1", slot=0)
    Replica.objects.create(**row, name="r1-1-1", slot=1, log_counts={"sent": 9, "dropped": 2, "at": 1})
    new, old = client.servings.replicas("iris")
    assert new.log_counts == LogCounts()
    assert old.log_counts == LogCounts(sent=9, dropped=2)


def test_a_wrong_setting_names_its_field(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    with pytest.raises(BadRequest) as caught:
        client.servings.create("iris", "Models/IrisFlowerClassifier/1/absent.py")
    assert list(caught.value.fields) == ["script"]
    assert caught.value.request_id
    with pytest.raises(BadRequest) as caught:
        client.servings.create("iris", SCRIPT, replicas=10_000)
    assert list(caught.value.fields) == ["replicas"]


def test_asking_twice_is_harmless(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    serving.create_or_update("iris", SCRIPT)
    assert [serving.start("iris", wait=False).wanted_replicas for _ in range(2)] == [1, 1]
    assert [serving.stop("iris").wanted_replicas for _ in range(2)] == [0, 0]


def test_a_start_that_nobody_works_on_times_out(client: Client, iris: Path) -> None:
    model.export("iris", NAME)
    serving.create_or_update("iris", SCRIPT)
    with pytest.raises(TimedOut, match="Serving iris is still "):
        serving.start("iris", timeout=0)


def test_lists_longer_than_a_page_are_whole(
    client: Client, iris: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.api.Pages.page_size", 2)
    for number in range(5):
        client.files.upload("iris/data", f"Resources/{number}")
    assert len(client.files.list()) == 5


def test_each_key_does_what_its_owner_may(client_of: ClientOf, iris: Path) -> None:
    alice, vera = client_of("alice"), client_of("vera", Scope.READ)
    alice.models.export("iris", NAME)
    assert alice.me().username == "alice"
    assert [each.name for each in vera.models.list()] == [NAME]
    with pytest.raises(Forbidden):
        vera.models.export("iris", NAME)
    with pytest.raises(NotFound):
        client_of("alice", project="elsewhere").models.list()


def test_a_key_nobody_made_is_not_authenticated(live_server: Any) -> None:
    with Client(live_server.url, "hop_wrong", "garden") as client, pytest.raises(NotAuthenticated):
        client.models.list()


def test_the_command_line_goes_the_whole_way(live_server: Any, people: People, iris: Path) -> None:
    def run(*arguments: str, given: str | None = None) -> str:
        result = CliRunner().invoke(cli.main, arguments, input=given)
        assert result.exit_code == 0, result.output
        return result.output

    run("login", "--url", live_server.url, given="bob\nbob-secret\ngarden\n")
    assert "bob" in run("whoami")
    assert "Exported iris version 1: 3 files" in run(
        "model", "export", "iris", "iris", "--metric", "accuracy=0.9"
    )
    assert "Models/iris/1/iris_flower_classifier.py" in run("model", "show", "iris", "--version", "1")
    run("serving", "create", "iris", "Models/iris/1/iris_flower_classifier.py", "--env", "MODE=fast")
    run("serving", "edit", "iris", "--cores", "0.5")
    shown = run("serving", "show", "iris")
    assert "0.5 cores, 1024 MiB" in shown
    assert "MODE=fast" in shown
    run("serving", "start", "iris", "--no-wait")
    run("serving", "stop", "iris")
    assert run("logs", "iris") == "There are no such lines.\n"
    run("serving", "delete", "iris", "--yes")
    run("model", "download", "iris", "--to", "back")
    assert _contents(Path("back")) == _contents(iris)


def test_connecting_sets_the_client_the_functions_use(client: Client) -> None:
    with hopyard.connect(client.url, "hop_wrong", "garden"), pytest.raises(NotAuthenticated):
        serving.get_all()


def test_the_readmes_examples_run(
    live_server: Any,
    people: People,
    key_of: Callable[..., Any],
    iris: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the replica is imagined."""
    monkeypatch.setattr("hopyard.client.waiting.until_running", lambda look, *_: look())
    Path("scaler.py").write_text("class Transformer: ...\n")
    Path("requirements.txt").write_text("scikit-learn==1.5.2\n")
    monkeypatch.setattr("hopyard.client.servings.Servings.predict", lambda *_: {"predictions": [0]})
    given = {"URL": live_server.url, "PROJECT": "garden", "API_KEY": key_of(people.bob)[1]}
    for name, value in given.items():
        monkeypatch.setenv(f"HOPYARD_{name}", value)
    readme = (Path(hopyard.__file__).parents[1] / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    for example in examples:
        exec(compile(example, "sdk/README.md", "exec"), {})
    assert len(examples) == 3
    assert serving.get(NAME).replicas == 2
    assert serving.get("IrisWithScaler").revision == 3
    assert Path("artifacts/1/transformer-scaler.py").exists()
    assert capsys.readouterr().out.startswith(f"{NAME} ")


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
