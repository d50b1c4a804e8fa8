"""Servings over REST: create, edit, start, stop, roll back, delete, and every way to get it wrong."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from models_registry.versions import aliases
from serving import services
from serving.environments import service as environments
from serving.models import Interpreter, Replica, Resolution, Revision, Serving
from serving.settings import Settings
from serving.states import ReplicaState
from tests.conftest import IRIS_SCRIPT

SERVINGS = "/api/projects/garden/servings/"
IRIS = f"{SERVINGS}iris/"
SCRIPT = "Models/iris/1/predictor.py"


@pytest.fixture(autouse=True)
def _iris(export: Callable[..., ModelVersion]) -> None:
    export()


def create(api: APIClient, **settings: object) -> dict:
    answer = api.post(SERVINGS, {"name": "iris", "script": SCRIPT} | settings, format="json")
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_script_of_a_model_version_says_which_model_is_served(api: APIClient) -> None:
    shown = create(api)
    assert (shown["model"], shown["model_version"], shown["artifact_version"]) == ("iris", 1, "MODEL-ONLY")
    assert (shown["status"], shown["revision"], shown["wanted_replicas"]) == ("Created", 1, 0)
    assert shown["url"] == "http://127.0.0.1:8000/inference/garden/iris/v1/models/iris"
    assert shown["direct_url"] == f"http://127.0.0.1:{shown['port']}/v1/models/iris"
    assert shown["topic"].startswith("iris-inf")
    assert api.get(IRIS).json() == shown


def test_the_same_request_once_more_makes_nothing_new(api: APIClient) -> None:
    first = create(api)
    again = api.post(SERVINGS, {"name": "iris", "script": SCRIPT}, format="json")
    assert (again.status_code, again.json()) == (200, first)
    assert Serving.objects.count() == Revision.objects.count() == 1


@pytest.mark.parametrize("change", [{"replicas": 2}, {"name": "Iris"}, {"topic": "NONE"}])
def test_a_name_that_is_taken_by_something_else_is_refused(change: dict[str, object], api: APIClient) -> None:
    create(api)
    answer = api.post(SERVINGS, {"name": "iris", "script": SCRIPT} | change, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "name_taken")
    assert answer.json()["error"]["fields"]["name"]


BAD = {
    "name": [None, "", "with space", "a-b", "a_b", "ü", "x" * 257],
    "script": [
        "",
        "Models/iris/1/nothing.py",
        "Models/iris/9/predictor.py",
        "../x.py",
        "/etc/x.py",
        "a\\b.py",
        "x.txt",
    ],
    "model": ["nothing"],
    "model_version": [9, 0, "x"],
    "replicas": [0, -1, 17, "many", 1.5],
    "env": [{"1BAD": "x"}, {"HOPYARD_PORT": "1"}, "x"],
    "topic": ["nosuchtopic"],
    "inference_logging": ["SOME"],
    "artifact_version": ["CREATE-IT", 3, [1]],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_a_bad_setting_is_refused_by_field_with_a_sentence(field: str, value: object, api: APIClient) -> None:
    settings = {"name": "flowers", "script": SCRIPT, field: value}
    if field == "model_version":
        settings["model"] = "iris"
    answer = api.post(SERVINGS, settings, format="json")
    assert answer.status_code == 400, answer.json()
    said = answer.json()["error"]
    assert list(said["fields"]) == [field.replace("env", "variables") if value != "x" else field], said
    assert len(said["message"]) > 20
    assert not Serving.objects.exists()


@pytest.mark.parametrize(
    "resources",
    [{"memory_mb": 1}, {"memory_mb": 10**9}, {"cores": 0}, {"cores": 1000}, {"gpus": 1}, {"gpus": "x"}],
)
def test_resources_beyond_the_installation_are_refused(resources: dict[str, object], api: APIClient) -> None:
    answer = api.post(SERVINGS, {"name": "x", "script": SCRIPT, "resources": resources}, format="json")
    assert answer.status_code == 400
    assert "between" in answer.json()["error"]["message"] or "integer" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "{", ""])
def test_a_body_that_is_no_object_is_refused(body: str, api: APIClient) -> None:
    answer = api.generic("POST", SERVINGS, body, "application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_every_edit_makes_a_numbered_revision_with_a_full_snapshot(api: APIClient) -> None:
    create(api)
    edited = api.patch(
        IRIS, {"replicas": 3, "resources": {"memory_mb": 512}, "env": {"A": "1"}}, format="json"
    ).json()
    assert (edited["revision"], edited["replicas"], edited["resources"]["memory_mb"]) == (2, 3, 512)
    revisions = api.get(f"{IRIS}revisions/").json()["items"]
    assert [each["revision"] for each in revisions] == [2, 1]
    assert (revisions[1]["replicas"], revisions[1]["env"]) == (1, {})
    assert revisions[0]["topic"] == revisions[1]["topic"]


def test_an_edit_that_changes_nothing_makes_no_revision(api: APIClient) -> None:
    create(api)
    assert api.patch(IRIS, {"replicas": 1, "description": "new words"}, format="json").json()["revision"] == 1
    assert api.get(IRIS).json()["description"] == "new words"


def test_put_creates_and_then_updates_with_defaults_for_what_is_left_out(api: APIClient) -> None:
    first = api.put(IRIS, {"script": SCRIPT, "replicas": 2}, format="json")
    assert (first.status_code, first.json()["replicas"]) == (201, 2)
    second = api.put(IRIS, {"script": SCRIPT}, format="json")
    assert (second.status_code, second.json()["replicas"], second.json()["revision"]) == (200, 1, 1)
    assert second.json()["topic"] == first.json()["topic"]
    renamed = api.put(IRIS, {"script": SCRIPT, "name": "other"}, format="json")
    assert renamed.status_code == 400


def test_the_second_of_two_editors_is_told_who_was_faster(api: APIClient, owner: Access) -> None:
    create(api)
    serving = Serving.objects.get()
    services.update(access=owner, serving=serving, changes={"cores": 2.0})
    answer = api.patch(IRIS, {"replicas": 3, "expected_revision": 1}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "edited_meanwhile")
    assert "alice changed iris to revision 2 while you were editing" in answer.json()["error"]["message"]
    assert api.get(IRIS).json()["replicas"] == 1


def test_start_and_stop_change_the_wish_and_are_harmless_twice(api: APIClient) -> None:
    create(api, replicas=2)
    for _ in range(2):
        assert api.post(f"{IRIS}start/").json()["wanted_replicas"] == 2
    for _ in range(2):
        assert api.post(f"{IRIS}stop/").json()["wanted_replicas"] == 0
    said = [(each["actor"], each["kind"]) for each in api.get(f"{IRIS}events/").json()["items"]]
    assert said == [("bob", "stopped"), ("bob", "started"), ("bob", "created")]


def test_editing_a_running_serving_changes_how_many_replicas_are_wanted(api: APIClient) -> None:
    create(api)
    api.post(f"{IRIS}start/")
    assert api.patch(IRIS, {"replicas": 3}, format="json").json()["wanted_replicas"] == 3


@pytest.fixture
def first(
    api: APIClient, owner: Access, export: Callable[..., ModelVersion], settings: LazySettings
) -> Revision:
    """A revision with something in every column, as the worker and an owner leave it."""
    settings.MAX_GPUS = 2
    Interpreter.objects.create(version="3.12", full_version="3.12.1", path="/usr/bin/python3.12")
    blob = storage.receive([b"class Transformer: ...\n"])
    registry.save_file(access=owner, path="Resources/scaler.py", blob=blob)
    files = {"predictor.py": IRIS_SCRIPT, "requirements.txt": "six==1.16.0\n"}
    aliases.put(access=owner, version=export(files=files), name="champion")
    create(
        api,
        script="Models/iris/2/predictor.py",
        alias="champion",
        env={"A": "1"},
        resources={"memory_mb": 700, "cores": 0.5, "gpus": 1},
        batching={"enabled": True},
        transformer="Resources/scaler.py",
        transformer_placement="inline",
        transformer_replicas=2,
        transformer_resources={"cores": 0.5, "memory_mb": 300},
    )
    environment = environments.of_lock("3.11", f"six==1.16.0 --hash=sha256:{'0' * 64}\n")
    Resolution.objects.update(environment=environment, state=Resolution.State.DONE)
    Revision.objects.update(environment=environment, overridden_by=owner.user)
    return Revision.objects.get()


@pytest.mark.parametrize(
    ("asked", "field", "known"),
    [
        ({"variables": {"A": "1"}}, "variables", "env"),
        ({"exemptions": ["egress"]}, "exemptions", "env"),
        ({"resources": {"memory": 2048}}, "resources.memory", "memory_mb"),
        ({"transformer_resources": {"gpus": 1}}, "transformer_resources.gpus", "memory_mb"),
        ({"batching": {"size": 1}}, "batching.size", "max_batch_size"),
    ],
)
def test_a_field_that_there_is_not_is_refused_with_those_there_are(
    asked: dict[str, object], field: str, known: str, first: Revision, api: APIClient
) -> None:
    whole = {"name": "rose", "script": first.script_path}
    canary = {"percent": 10, "replicas": 1}
    for answer in (
        api.patch(IRIS, {"replicas": 3, **asked}, format="json"),
        api.put(IRIS, {"script": first.script_path, **asked}, format="json"),
        api.post("/api/projects/garden/servings/", whole | asked, format="json"),
        api.post(f"{IRIS}canary/", canary | asked, format="json"),
    ):
        assert answer.status_code == 400, answer.json()
        (sentence,) = answer.json()["error"]["fields"][field]
        assert f"There is no field {field.rsplit('.', maxsplit=1)[-1]}; there are " in sentence
        assert known in sentence
    assert first.serving.revisions.count() == 1
    assert not Serving.objects.filter(name="rose").exists()


def test_a_roll_back_is_a_new_revision_equal_to_the_old_one_in_every_field(
    first: Revision, api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export(files={"other.py": "class Flowers: ...", "x": "y"})
    edit = {
        "script": "Models/iris/3/other.py",
        "alias": "",
        "model_version": 3,
        "python": "3.12",
        "requirements": "idna",
        "transformer": "",
        "transformer_placement": "separate",
        "transformer_replicas": 3,
        "transformer_resources": {"cores": 2.0, "memory_mb": 400},
        "replicas": 4,
        "deployer": "local",
        "resources": {"memory_mb": 900, "cores": 2.0, "gpus": 2},
        "batching": {"mode": "off", "max_batch_size": 8, "max_latency_ms": 5},
        "max_concurrency": 4,
        "class_name": "Flowers",
        "topic": "NONE",
        "inference_logging": "PREDICTIONS",
        "topic_partitions": 2,
        "topic_replication": 2,
        "sampling_percent": 12.5,
        "record_format": "mlrun",
        "redaction": [{"field": "card", "in": "inputs", "action": "hash"}],
        "events_url": "http://127.0.0.1:9/events",
        "input_topic": "asked",
        "output_topic": "answered",
        "env": {},
    }
    for name in ("asked", "answered"):
        assert api.post("/api/projects/garden/topics/", {"name": name}, format="json").status_code == 201
    assert api.patch(IRIS, edit, format="json").status_code == 200
    assert api.post(f"{IRIS}revisions/1/rollback/").json()["revision"] == 3
    newest, edited, _ = Revision.objects.order_by("-number")
    own = {"id", "number", "created_at", "_state"}
    before = {name: value for name, value in vars(first).items() if name not in own}
    assert {name: value for name, value in vars(newest).items() if name not in own} == before
    same = {name for name in before if before[name] == getattr(edited, name)}
    kept = {"serving_id", "created_by_id", "exemptions"}  # the last is the serving's own
    assert same == kept, "the edit changed every column but these"
    assert api.post(f"{IRIS}revisions/9/rollback/").status_code == 404


@pytest.mark.parametrize(
    ("asked", "mode", "is_enabled"),
    [
        (None, "auto", True),
        ({}, "auto", True),
        ({"mode": "off"}, "off", False),
        ({"enabled": True}, "on", True),
        ({"enabled": False}, "off", False),
        ({"mode": "auto", "enabled": False}, "auto", True),
    ],
)
def test_batching_has_a_mode_and_an_older_word_for_it(
    asked: dict[str, object] | None, mode: str, is_enabled: bool, api: APIClient
) -> None:
    shown = create(api, batching=asked)["batching"]
    assert shown == {"mode": mode, "enabled": is_enabled, "max_batch_size": 64, "max_latency_ms": 0}


def test_a_part_of_batching_leaves_the_rest_as_it_was(api: APIClient) -> None:
    create(api, batching={"mode": "on", "max_latency_ms": 20})
    edited = api.patch(IRIS, {"batching": {"max_batch_size": 8}}, format="json").json()
    assert edited["batching"] == {
        "mode": "on",
        "enabled": True,
        "max_batch_size": 8,
        "max_latency_ms": 20,
    }
    assert "changed largest batch" in api.get(f"{IRIS}events/").json()["items"][0]["text"]


def test_the_class_is_named_and_left_to_the_script_again(api: APIClient) -> None:
    assert create(api, class_name="Flowers")["class_name"] == "Flowers"
    assert api.patch(IRIS, {"class_name": ""}, format="json").json()["class_name"] == ""


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"batching": {"mode": "sometimes"}}, "mode"),
        ({"batching": {"max_latency_ms": -1}}, "max_latency_ms"),
        ({"batching": {"max_latency_ms": 10_001}}, "max_latency_ms"),
        ({"batching": {"max_batch_size": 0}}, "max_batch_size"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 65}, "max_concurrency"),
        ({"class_name": "not a name"}, "class_name"),
        ({"class_name": "class"}, "class_name"),
        ({"class_name": "x" * 101}, "class_name"),
    ],
)
def test_what_the_model_server_cannot_be_told_is_refused(
    asked: dict[str, object], field: str, api: APIClient
) -> None:
    answer = api.post(SERVINGS, {"name": "flowers", "script": SCRIPT, **asked}, format="json")
    assert answer.status_code == 400
    assert field in str(answer.json()["error"]["fields"])
    assert not Serving.objects.exists()


def test_a_deleted_serving_is_gone_at_once_and_its_name_is_free(api: APIClient) -> None:
    create(api)
    assert api.delete(IRIS).status_code == 204
    assert api.get(IRIS).status_code == 404
    assert api.get(SERVINGS).json()["count"] == 0
    create(api, replicas=2)


def test_the_list_is_ordered_by_name_paged_and_searchable(api: APIClient) -> None:
    for name in ("zinnia", "aster", "mallow"):
        api.post(SERVINGS, {"name": name, "script": SCRIPT}, format="json")
    page = api.get(f"{SERVINGS}?page_size=2").json()
    assert ([each["name"] for each in page["items"]], page["count"]) == (["aster", "mallow"], 3)
    assert [each["name"] for each in api.get(page["next"]).json()["items"]] == ["zinnia"]
    assert [each["name"] for each in api.get(f"{SERVINGS}?q=MAL").json()["items"]] == ["mallow"]


def test_an_existing_topic_is_shared_and_an_unknown_one_refused(api: APIClient) -> None:
    topic = create(api)["topic"]
    shared = api.post(SERVINGS, {"name": "other", "script": SCRIPT, "topic": topic}, format="json")
    assert shared.json()["topic"] == topic
    none = api.post(SERVINGS, {"name": "quiet", "script": SCRIPT, "topic": "none"}, format="json")
    assert none.json()["topic"] is None


def test_a_script_from_resources_needs_a_model_and_keeps_its_bytes(api: APIClient) -> None:
    url = "/api/projects/garden/files/Resources/score.py"
    api.generic("PUT", url, b"class Predict: ...", "text/x-python")
    refused = api.post(SERVINGS, {"name": "a", "script": "Resources/score.py"}, format="json")
    assert list(refused.json()["error"]["fields"]) == ["model"]
    made = api.post(
        SERVINGS, {"name": "a", "script": "Resources/score.py", "model": "iris"}, format="json"
    ).json()
    assert made["model_version"] == 1
    api.generic("PUT", url, b"something else", "text/x-python")
    assert api.get(f"{SERVINGS}a/").json()["script_sha256"] == made["script_sha256"]


def test_replicas_and_logs_are_listed(api: APIClient, settings) -> None:
    create(api)
    serving = Serving.objects.select_related("project").get()
    Replica.objects.create(
        serving=serving,
        name="r1-0-1",
        revision=1,
        slot=0,
        attempt=1,
        state=ReplicaState.READY,
        log_counts={"sent": 7, "dropped": 2, "at": 1_760_000_000},
    )
    folder = settings.LOG_DIR / serving.key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "r1-0-1.log").write_text("2026-01-01T00:00:00.000Z Loading\n2026-01-01T00:00:01.000Z Ready\n")
    (shown,) = api.get(f"{IRIS}replicas/").json()["items"]
    assert shown["name"] == "r1-0-1"
    assert shown["log_counts"] == {"sent": 7, "spilled": 0, "dropped": 2, "waiting": 0}
    assert api.get(IRIS).json()["replicas_ready"] == 1
    found = api.get(f"{IRIS}logs/?search=LOAD").json()["replicas"]
    assert found == [{"name": "r1-0-1", "content": "2026-01-01T00:00:00.000Z Loading"}]
    assert api.get(f"{IRIS}logs/?tail=1").json()["replicas"][0]["content"].endswith("Ready")
    assert api.get(f"{IRIS}logs/?replica=../../x").json()["replicas"] == []
    assert api.get(f"{IRIS}logs/?tail=0").status_code == 400


def test_an_address_that_does_not_exist_says_so_in_the_apis_own_shape(api: APIClient) -> None:
    answer = api.get("/api/projects/garden/nothing/")
    assert answer.status_code == 404
    assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]


def test_settings_and_snapshot_agree_on_what_a_revision_is() -> None:
    from serving import settings as module

    columns = {field.attname for field in Revision._meta.concrete_fields}
    assert set(module.SNAPSHOT) == columns - {
        "id",
        "serving_id",
        "number",
        "created_by_id",
        "created_at",
        "preflight_id",
        "overridden_by_id",
        "exemptions",  # a copy has those its serving has by then
    }
    assert set(module.COPIED) <= set(vars(Settings(name="x", script="y")))


def test_new_files_under_the_same_version_make_a_new_revision_with_a_new_artifact(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    first = create(api)
    script = "class Predict: ...\n"
    export(number=1, may_overwrite=True, files={"predictor.py": script, "weights.txt": "other"})
    again = api.put(IRIS, {"script": SCRIPT}, format="json").json()
    assert again["revision"] == 2
    assert again["artifact_digest"] != first["artifact_digest"]
    revisions = api.get(f"{IRIS}revisions/").json()["items"]
    assert revisions[1]["artifact_digest"] == first["artifact_digest"], "what ran before can be brought back"
    assert "model files" in api.get(f"{IRIS}events/").json()["items"][0]["text"]


def test_a_script_of_another_version_than_the_served_one_is_refused(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    create(api)
    export(files={"predictor.py": "class Predict: ..."})
    pair = {"script": "Models/iris/2/predictor.py", "model_version": 1}
    refused = api.patch(IRIS, pair, format="json")
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["model_version"])
    followed = api.patch(IRIS, {"script": "Models/iris/2/predictor.py"}, format="json").json()
    assert (followed["model_version"], followed["revision"]) == (2, 2)


def test_values_of_environment_variables_keep_their_spaces(api: APIClient) -> None:
    assert create(api, env={"A": " x "})["env"] == {"A": " x "}


def test_the_longest_name_has_a_topic_that_can_be_a_file(api: APIClient) -> None:
    shown = create(api, name="x" * 256)
    assert len(shown["topic"]) < 250
    again = api.put(f"{SERVINGS}{'x' * 256}/", {"script": SCRIPT, "topic": shown["topic"]}, format="json")
    assert again.json()["revision"] == 1
