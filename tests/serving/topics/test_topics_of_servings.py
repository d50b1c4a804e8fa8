"""The topics that servings log to: made with them, kept, chosen, refused, removed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import AuditEntry, Project, User
from models_registry.models import ModelVersion
from serving import services, settings
from serving.errors import ServingError
from serving.models import Revision, Serving, Topic
from serving.settings import Settings
from serving.topics import naming
from serving.topics import services as topics
from tests.conftest import People

SCRIPT = "Models/iris/1/predictor.py"
SERVINGS = "/api/projects/garden/servings/"
IRIS = f"{SERVINGS}iris/"
TOPICS = "/api/projects/garden/topics/"


@pytest.fixture(autouse=True)
def _iris(export: Callable[..., ModelVersion]) -> None:
    export()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the worker is asked for on commit."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(topics, "ask_on_commit", lambda task, pk: found.append((task, pk)))
    return found


def create(api: APIClient, name: str = "iris", **given: object) -> dict[str, Any]:
    answer = api.post(SERVINGS, {"name": name, "script": SCRIPT} | given, format="json")
    assert answer.status_code == 201, answer.json()
    shown: dict[str, Any] = answer.json()
    return shown


def refused(api: APIClient, **given: object) -> dict[str, list[str]]:
    """By which field, and in which words; nothing is left behind."""
    before = Topic.objects.count(), Serving.objects.count()
    answer = api.post(SERVINGS, {"name": "refused", "script": SCRIPT} | given, format="json")
    assert answer.status_code == 400, answer.json()
    assert (Topic.objects.count(), Serving.objects.count()) == before
    fields: dict[str, list[str]] = answer.json()["error"]["fields"]
    return fields


def ready(name: str, **columns: object) -> None:
    Topic.objects.filter(name=name).update(state=Topic.State.READY, **columns)


@pytest.mark.parametrize("word", ["CREATE", "create", "Create", None])
def test_create_makes_a_topic_of_the_newest_schema_with_what_was_asked(
    word: str | None, api: APIClient, asked: list[Any]
) -> None:
    given = {} if word is None else {"topic": word}
    shown = create(api, topic_partitions=3, topic_replication=2, **given)
    topic = Topic.objects.get()
    assert naming.is_own(topic.name, "iris")
    assert topic.name == shown["topic"]
    assert (topic.project.name, topic.subject, topic.schema_version) == ("garden", "inferenceschema", 5)
    assert (topic.partitions, topic.replication, topic.state) == (3, 2, Topic.State.WAITING)
    assert topic.created_by is not None
    assert topic.created_by.username == "bob"
    assert asked == [("worker.make_topic", topic.pk)]


@pytest.mark.parametrize("given", [{"topic": "NONE"}, {"topic": "none"}, {"inference_logging": "NONE"}])
def test_nothing_is_logged_with_none(given: dict[str, str], api: APIClient) -> None:
    assert create(api, **given)["topic"] is None
    assert not Topic.objects.exists()


def test_records_of_mlrun_get_a_topic_of_their_own_subject(api: APIClient) -> None:
    create(api, record_format="mlrun")
    topic = Topic.objects.get()
    assert (topic.subject, topic.schema_version, topic.schema) == ("mlrunrecord", None, "")


def test_another_format_of_records_leaves_the_topic_for_a_new_one(api: APIClient) -> None:
    first = create(api)["topic"]
    second = api.patch(IRIS, {"record_format": "mlrun"}, format="json").json()["topic"]
    assert first != second
    assert {each.name: each.subject for each in Topic.objects.all()} == {
        first: "inferenceschema",
        second: "mlrunrecord",
    }
    assert api.patch(IRIS, {"replicas": 2}, format="json").json()["topic"] == second


def test_create_keeps_the_topic_of_an_earlier_create_and_its_numbers(
    api: APIClient, asked: list[Any]
) -> None:
    first = create(api, topic_partitions=3)
    ready(first["topic"])
    again = api.put(IRIS, {"script": SCRIPT, "topic": "create", "replicas": 2}, format="json").json()
    assert (again["topic"], again["topic_partitions"]) == (first["topic"], 3)
    assert Topic.objects.count() == len(asked) == 1


def test_a_topic_that_could_not_be_made_is_made_as_the_next_edit_asks(
    api: APIClient, asked: list[Any]
) -> None:
    name = create(api, topic_replication=3)["topic"]
    Topic.objects.update(state=Topic.State.FAILED, problem="There is one broker.")
    edited = api.patch(IRIS, {"topic_replication": 1}, format="json").json()
    topic = Topic.objects.get()
    assert (edited["topic"], topic.replication, topic.state, topic.problem) == (name, 1, "waiting", "")
    assert asked == [("worker.make_topic", topic.pk)] * 2


def test_the_numbers_of_a_topic_that_is_made_do_not_change_silently(api: APIClient) -> None:
    name = create(api)["topic"]
    ready(name)
    answer = api.patch(IRIS, {"topic_partitions": 4}, format="json")
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == {
        "topic_partitions": [
            f"{name} has been made with partitions 1, which stays so; make another topic and choose it."
        ]
    }


def test_a_name_is_drawn_that_nobody_in_the_installation_has(api: APIClient) -> None:
    """All numbers but one are taken, by another project."""
    elsewhere = Project.objects.get(name="elsewhere")
    names = [f"iris-inf{number:04d}" for number in range(10_000) if number != 4321]
    Topic.objects.bulk_create(Topic(project=elsewhere, name=name) for name in names)
    assert create(api)["topic"] == "iris-inf4321"
    with pytest.raises(ServingError, match="make a topic by hand"):
        naming.free("iris")


def test_a_number_that_was_given_away_meanwhile_is_drawn_again(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Project.objects.get(name="elsewhere")
    Topic.objects.create(project=elsewhere, name="iris-inf0007")
    drawn = iter(["iris-inf0007", "iris-inf0008"])
    monkeypatch.setattr(naming, "free", lambda _serving: next(drawn))
    assert create(api)["topic"] == "iris-inf0008"
    assert Topic.objects.get(name="iris-inf0007").project == elsewhere


BAD_TOPICS = {
    "unknown": (None, "There is no topic wanted in garden; write CREATE for a new one, or NONE."),
    "free": ({}, "wanted has no schema, and not the inference schema (inferenceschema)"),
    "own": (
        {"subject": "prices", "schema_version": 1, "schema": '"long"'},
        "wanted has the subject prices, and not the inference schema",
    ),
    "mlrun": ({"subject": "mlrunrecord"}, "inference records in Avro go to a topic of inferenceschema"),
    "events": (
        {"subject": "inferenceschema", "schema_version": 4},
        "version 4 of inferenceschema, which is KServe's, one event for each direction",
    ),
    "deleted": (
        {"subject": "inferenceschema", "schema_version": 5, "is_deleted": True},
        "There is no topic wanted in garden",
    ),
}


@pytest.mark.parametrize("kind", BAD_TOPICS)
def test_an_existing_topic_is_refused_with_the_reason(kind: str, api: APIClient, people: People) -> None:
    columns, reason = BAD_TOPICS[kind]
    if columns is not None:
        Topic.objects.create(project=people.project, name="wanted", **columns)  # type: ignore[misc]
    (said,) = refused(api, topic="wanted")["topic"]
    assert reason in said
    assert said.endswith("write CREATE for a new one, or NONE.")


@pytest.mark.parametrize("version", [1, 2, 3, 5])
def test_an_existing_topic_of_a_version_that_is_written_is_accepted(
    version: int, api: APIClient, people: People
) -> None:
    Topic.objects.create(
        project=people.project, name="shared", subject="inferenceschema", schema_version=version, partitions=7
    )
    shown = create(api, topic="shared")
    assert (shown["topic"], shown["topic_partitions"]) == ("shared", 7)


def test_a_topic_of_another_project_is_none(api: APIClient, people: People) -> None:
    elsewhere = Project.objects.get(name="elsewhere")
    Topic.objects.create(project=elsewhere, name="theirs", subject="inferenceschema", schema_version=5)
    assert "There is no topic theirs in garden" in refused(api, topic="theirs")["topic"][0]


def test_a_check_without_saving_registers_no_topic(api: APIClient) -> None:
    answer = api.post("/api/projects/garden/preflights/", {"script": SCRIPT, "name": "iris"}, format="json")
    assert answer.status_code < 300, answer.json()
    assert not Topic.objects.exists()


def test_a_refused_serving_leaves_no_topic(api: APIClient) -> None:
    create(api)
    answer = api.post(SERVINGS, {"name": "Iris", "script": SCRIPT}, format="json")
    assert answer.status_code == 409
    assert Topic.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sampling_percent", 0),
        ("sampling_percent", -1),
        ("sampling_percent", 100.5),
        ("record_format", "xml"),
        ("redaction", "all"),
        ("redaction", [{"field": "x", "in": "nowhere"}]),
        ("redaction", [{"pattern": "(a+)+"}]),
        ("events_url", "ftp://somewhere"),
        ("input_topic", "nosuchtopic"),
        ("output_topic", "nosuchtopic"),
    ],
)
def test_a_setting_of_the_log_that_cannot_be_is_refused_at_its_field(
    field: str, value: object, api: APIClient
) -> None:
    assert any(name == field or name.startswith(f"{field}.") for name in refused(api, **{field: value}))


def test_every_setting_of_the_log_is_kept_and_shown(api: APIClient) -> None:
    for name in ("asked", "answered"):
        assert api.post(TOPICS, {"name": name}, format="json").status_code == 201
    given = {
        "inference_logging": "PREDICTIONS",
        "sampling_percent": 0.5,
        "record_format": "avro",
        "redaction": [{"field": "card"}, {"pattern": " x$", "in": "outputs", "action": "remove"}],
        "events_url": "http://127.0.0.1:9/",
        "input_topic": "asked",
        "output_topic": "answered",
    }
    shown = create(api, **given)
    rules = [
        {"field": "card", "in": "both", "action": "mask"},
        {"pattern": " x$", "in": "outputs", "action": "remove"},
    ]
    assert {name: shown[name] for name in given} == given | {"redaction": rules}
    cleared = {"redaction": None, "events_url": None, "input_topic": None, "output_topic": ""}
    edited = api.patch(IRIS, cleared, format="json").json()
    now = (edited["redaction"], edited["events_url"], edited["input_topic"], edited["output_topic"])
    assert now == ([], "", "", "")
    assert edited["revision"] == 2


def test_deleting_a_serving_keeps_its_topic(api: APIClient, asked: list[Any]) -> None:
    name = create(api)["topic"]
    assert api.delete(IRIS).status_code == 204
    assert not Topic.objects.get(name=name).is_deleted
    assert len(asked) == 1


def test_a_topic_goes_with_its_serving_if_that_is_asked_for(api: APIClient, asked: list[Any]) -> None:
    name = create(api)["topic"]
    assert api.delete(f"{IRIS}?topic=perhaps").status_code == 400
    assert api.delete(f"{IRIS}?topic=delete").status_code == 204
    topic = Topic.objects.get(name=name)
    assert topic.is_deleted
    assert asked[1:] == [("worker.make_topic", topic.pk)]
    assert AuditEntry.objects.filter(action="delete_topic", target=name, actor="bob").exists()
    assert api.get(f"{TOPICS}{name}/").status_code == 404


def test_a_shared_topic_does_not_go_with_one_of_its_servings(api: APIClient) -> None:
    name = create(api)["topic"]
    create(api, "other", topic=name)
    answer = api.delete(f"{IRIS}?topic=delete")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "topic_in_use")
    assert answer.json()["error"]["message"] == f"{name} is used by other too; delete iris without its topic."
    assert api.get(IRIS).status_code == 200, "nothing was deleted"


def test_a_roll_back_to_a_topic_that_is_gone_makes_it_again(api: APIClient, asked: list[Any]) -> None:
    name = create(api)["topic"]
    api.patch(IRIS, {"topic": "NONE"}, format="json")
    assert api.delete(f"{TOPICS}{name}/").status_code == 204
    Topic.objects.all().delete()  # as the worker does it in the end
    back = api.post(f"{IRIS}revisions/1/rollback/")
    assert (back.status_code, back.json()["topic"]) == (200, name)
    assert Topic.objects.get(name=name).state == Topic.State.WAITING


def test_a_roll_back_to_a_topic_that_is_another_one_now_says_so(api: APIClient) -> None:
    api.post(TOPICS, {"name": "log", "subject": "inferenceschema"}, format="json")
    create(api, topic="log")
    api.patch(IRIS, {"topic": "NONE"}, format="json")
    Topic.objects.filter(name="log").update(subject="mlrunrecord", schema_version=None)
    back = api.post(f"{IRIS}revisions/1/rollback/")
    assert back.status_code == 409
    assert "log has the subject mlrunrecord, and inference records in Avro" in back.json()["error"]["message"]
    Topic.objects.filter(name="log").update(is_deleted=True)
    back = api.post(f"{IRIS}revisions/1/rollback/")
    assert back.json()["error"]["message"] == "log has been deleted; choose another topic."


def test_a_roll_back_to_requests_of_a_topic_that_is_gone_says_so(api: APIClient) -> None:
    api.post(TOPICS, {"name": "asked"}, format="json")
    create(api, input_topic="asked")
    api.patch(IRIS, {"input_topic": ""}, format="json")
    api.delete(f"{TOPICS}asked/")
    back = api.post(f"{IRIS}revisions/1/rollback/")
    assert (back.status_code, back.json()["error"]["message"]) == (404, "There is no topic asked in garden.")
    assert Revision.objects.count() == 2


def test_the_same_request_once_more_with_every_setting_makes_nothing_new(
    owner: Access, asked: list[Any]
) -> None:
    wanted = Settings(name="iris", script=SCRIPT, sampling_percent=10, topic_partitions=2)
    first, _ = services.create(access=owner, wanted=wanted)
    ready(first.current.topic)
    again, is_new = services.create(access=owner, wanted=wanted)
    assert (again.pk, is_new) == (first.pk, False)
    assert settings.of(again).topic == first.current.topic
    assert len(asked) == 1


def test_a_viewer_deletes_neither_serving_nor_topic(
    api: APIClient, people: People, browser_of: Callable[[User], Client]
) -> None:
    create(api)
    assert browser_of(people.vera).delete(f"{IRIS}?topic=delete").status_code == 403
    assert not Topic.objects.get().is_deleted
