"""The client against the real platform: transformers, artifacts, pre-flights, packages, aliases and revisions."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hopyard import cli, serving
from hopyard.client import BadRequest, Client, Conflict, Forbidden, PreflightFailed, waiting
from models_registry.models import RegisteredModel
from serving.models import Preflight, Serving
from tests.conftest import IRIS_SCRIPT, People
from tests.waiting import eventually
from tests.worker.conftest import take_steps
from worker import following, installed, preflight

SCRIPT = "Models/iris/1/predictor.py"
TRANSFORMER = """
class Transformer:
    def preprocess(self, inputs):
        return inputs

    def postprocess(self, outputs):
        return {"predictions": [-each for each in outputs["predictions"]]}
"""
BROKEN = "import a_package_nobody_has\n" + IRIS_SCRIPT
ClientOf = Callable[..., Client]


@pytest.fixture
def client_of(live_server: Any, people: People, key_of: Callable[..., Any]) -> Iterator[ClientOf]:
    """A client with a new key of somebody's."""
    made: list[Client] = []

    def connect(name: str = "bob", *more: str) -> Client:
        key = key_of(getattr(people, name), scopes=("read", "predict", "write", *more))[1]
        made.append(Client(live_server.url, key, "garden"))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def client(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Bob's, and the one the module functions and the commands use."""
    client = client_of()
    monkeypatch.setattr("hopyard.client.default._current", client)
    for name, value in {"URL": client.url, "API_KEY": _key(client), "PROJECT": "garden"}.items():
        monkeypatch.setenv(f"HOPYARD_{name}", value)
    return client


def _key(client: Client) -> str:
    header: str = client._transport._http.headers["Authorization"]
    return header.removeprefix("ApiKey ")


@pytest.fixture
def register(client: Client, tmp_path: Path) -> Callable[..., int]:
    """A version of the model iris with this script, and a transformer beside all models."""

    def export(script: str = IRIS_SCRIPT) -> int:
        folder = tmp_path / "iris"
        folder.mkdir(exist_ok=True)
        (folder / "predictor.py").write_text(script)
        (folder / "weights.txt").write_text("1 2 3\n")
        (tmp_path / "transformer.py").write_text(TRANSFORMER)
        client.files.upload(tmp_path / "transformer.py")
        return client.models.export(folder, "iris").version

    return export


@pytest.fixture
def worker(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While the client pauses, the worker takes its steps."""
    deployer = installed.deployer()

    def work(_seconds: float) -> None:
        for found in Preflight.objects.exclude(state__in=["passed", "failed"]):
            eventually(lambda pk=found.pk: preflight.step(pk, deployer), what="a pre-flight")
        for each in Serving.objects.all():
            eventually(lambda pk=each.pk: take_steps(pk, deployer), seconds=40, what="a settled serving")

    monkeypatch.setattr(waiting, "sleep", work)
    yield
    for thing in (*Preflight.objects.all(), *Serving.objects.select_related("project")):
        deployer.remove(thing.key)


def command(*typed: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli.main, typed)
    assert result.exit_code == code, result.output
    return result.output


def test_artifacts_are_numbered_named_shared_and_fetched(
    client: Client, register: Callable[..., int], tmp_path: Path
) -> None:
    register()
    plain = serving.create_or_update("plain", SCRIPT)
    serving.create_or_update("first", SCRIPT, transformer="Resources/transformer.py", transformer_instances=2)
    client.files.upload(tmp_path / "iris/predictor.py", "Resources/other.py")
    serving.create_or_update("second", SCRIPT, artifact_version="CREATE", transformer="Resources/other.py")
    shared = client.servings.create("shared", SCRIPT, artifact_version=1, transformer="transformer.py")
    names = ("plain", "first", "second", "shared")
    assert [serving.get_artifact_version(name) for name in names] == ["MODEL-ONLY", 1, 2, 1]
    assert shared.artifact_digest == client.servings.get("first").artifact_digest != plain.artifact_digest
    assert serving.get_transformer("first") == "Resources/transformer.py"
    assert serving.get_available_instances("first") == (0, 0)
    assert [each.name for each in client.models.artifacts("iris", 1)] == ["iris_1_2", "iris_1_1", "iris_1_0"]
    assert "Downloaded to " in command("model", "artifact", "iris", "1", "1", "--to", str(tmp_path / "back"))
    found = {path.name: path.read_text() for path in (tmp_path / "back/1").iterdir()}
    assert found == {
        "predictor.py": IRIS_SCRIPT,
        "weights.txt": "1 2 3\n",
        "transformer-transformer.py": TRANSFORMER,
    }


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"artifact_version": "MODEL-ONLY", "transformer": "Resources/transformer.py"}, "artifact_version"),
        ({"artifact_version": 7, "transformer": "transformer.py"}, "artifact_version"),
        ({"artifact_version": 1}, "artifact_version"),
        ({"transformer": "Resources/absent.py"}, "transformer"),
    ],
)
def test_artifacts_that_cannot_be_are_refused_and_leave_nothing(
    client: Client, register: Callable[..., int], said: dict[str, Any], field: str
) -> None:
    register()
    with pytest.raises(BadRequest) as caught:
        serving.create_or_update("iris", SCRIPT, **said)
    assert list(caught.value.fields) == [field]
    assert not serving.exists("iris")


def test_a_serving_follows_an_alias_until_it_is_told_a_version(
    client: Client, register: Callable[..., int]
) -> None:
    register()
    client.models.set_alias("iris", "champion", register(IRIS_SCRIPT + "\n"))
    made = client.servings.create("iris", SCRIPT, alias="champion")
    assert (made.alias, made.model_version, made.script) == ("champion", 2, "Models/iris/2/predictor.py")
    client.models.set_alias("iris", "champion", 1)
    following.follow(RegisteredModel.objects.get(name="iris").pk, "champion")
    assert client.servings.get("iris").model_version == 1
    with pytest.raises(Conflict, match="iris"):
        client.models.delete_alias("iris", "champion")
    assert client.servings.update("iris", model_version=2, script="Models/iris/2/predictor.py").alias == ""


def test_requirements_of_a_file_come_back_and_are_waited_for(
    client: Client, register: Callable[..., int], tmp_path: Path
) -> None:
    register()
    (tmp_path / "requirements.txt").write_text("six==1.16.0\n")
    command("serving", "create", "iris", SCRIPT, "--requirements", str(tmp_path / "requirements.txt"))
    asked = client.servings.get("iris")
    assert (asked.requirements, asked.environment) == ("six==1.16.0", None)
    assert waiting.is_building(client.servings.start("iris"))
    plain = client.servings.update("iris", requirements="")
    assert plain.requirements == ""
    assert plain.environment is not None
    assert [each.key for each in client.environments.list()] == [plain.environment]
    assert client.environments.get(plain.environment[:12]).state == "ready"
    assert "iris" in command("environment", "list")
    assert client.environments.pythons() == []
    with pytest.raises(BadRequest) as caught:
        client.servings.update("iris", requirements="-r /etc/passwd")
    assert list(caught.value.fields) == ["requirements"]


@pytest.mark.usefixtures("worker")
def test_a_check_says_what_is_wrong_before_anything_is_saved(
    client: Client, register: Callable[..., int]
) -> None:
    register(BROKEN)
    found = client.servings.check(SCRIPT)
    assert [check.code for check in found.failed_checks] == ["DependencyMissing"]
    assert "a_package_nobody_has" in found.failed_checks[0].sentence
    assert client.servings.list() == []
    assert "a_package_nobody_has" in command("serving", "check", SCRIPT, code=1)


@pytest.mark.usefixtures("worker")
def test_a_red_preflight_blocks_the_start_until_an_owner_overrides(
    client: Client, client_of: ClientOf, register: Callable[..., int]
) -> None:
    register(BROKEN)
    serving.create_or_update("iris", SCRIPT)
    assert client.servings.check_again("iris").state == "failed"
    with pytest.raises(PreflightFailed, match="a_package_nobody_has") as caught:
        serving.start("iris")
    assert [check.state for check in caught.value.checks] == ["failed"]
    assert "ModuleNotFoundError" in command("serving", "start", "iris", code=1)
    with pytest.raises(Forbidden, match="owner"):
        serving.start("iris", override=True)
    assert client_of("alice", "admin").servings.start("iris", override=True).wanted_replicas == 1


@pytest.mark.usefixtures("worker")
def test_a_serving_with_a_transformer_starts_answers_and_counts_its_replicas(
    client: Client, register: Callable[..., int]
) -> None:
    register()
    serving.create_or_update("iris", SCRIPT, transformer="Resources/transformer.py")
    assert "iris is Running: " in command("serving", "start", "iris")
    assert serving.make_inference_request("iris", {"instances": [[1, 2]]}) == {"predictions": [-3]}
    assert serving.get_available_instances("iris") == (1, 1)
    assert "(2 of 2 replicas ready)" in serving.describe("iris")


def test_revisions_are_compared_and_the_first_comes_back_as_it_was(
    client: Client, register: Callable[..., int]
) -> None:
    register()
    register(IRIS_SCRIPT.replace("big", "large"))
    client.servings.create("iris", SCRIPT, env={"MODE": "fast"}, transformer="Resources/transformer.py")
    client.servings.update("iris", script="Models/iris/2/predictor.py", replicas=2, transformer=None)
    compared = client.servings.compare("iris", 1, 2)
    assert (compared["a"], compared["b"], compared["is_same"]) == (1, 2, False)
    shown = command("serving", "compare", "iris", "1", "2")
    assert "replicas" in shown
    assert '+        return ["large"' in shown
    assert "revision 3" in command("serving", "rollback", "iris", "1")
    assert client.servings.compare("iris", 1, 3)["is_same"]
    assert command("serving", "compare", "iris", "1", "3") == "They do not differ.\n"
    third, _, first = client.servings.revisions("iris")
    own = {"revision": None, "created_at": None, "created_by": None}
    assert {**vars(first), **own} == {**vars(third), **own}
