"""Topics over REST: made by hand, described, deleted; schemas and dead letters."""

import base64
import json
import math
from typing import Any

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import AuditEntry, Project
from serving import services
from serving.models import DeadLetter, Topic
from serving.settings import Settings
from serving.topics import schemas
from serving.topics import services as topics
from tests.serving.topics.asking import PROJECT, TOPICS, post

OWN = {"type": "record", "name": "Price", "fields": [{"name": "cents", "type": "long"}]}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the worker is asked for on commit."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(topics, "ask_on_commit", lambda task, pk: found.append((task, pk)))
    return found


def fields(api: APIClient, **body: object) -> dict[str, list[str]]:
    """What a new topic is refused for."""
    found: dict[str, list[str]] = post(api, status=400, **body)["error"]["fields"]
    assert not Topic.objects.exists()
    return found


def test_a_topic_is_made_listed_shown_and_deleted(api: APIClient, asked: list[Any]) -> None:
    made = post(api, name="requests", partitions=4, replication=2)
    topic = Topic.objects.get()
    assert (made["name"], made["state"], made["partitions"], made["replication"]) == (
        "requests",
        "waiting",
        4,
        2,
    )
    assert (made["bytes"], made["servings"], made["created_by"]) == (None, [], "bob")
    assert api.get(f"{TOPICS}requests/").json() == made
    (listed,) = api.get(TOPICS).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "partition_table"}
    assert api.get(f"{TOPICS}?q=nothing").json()["items"] == []
    assert api.delete(f"{TOPICS}requests/").status_code == 204
    assert api.get(f"{TOPICS}requests/").status_code == api.delete(f"{TOPICS}requests/").status_code == 404
    assert api.get(TOPICS).json()["count"] == 0
    assert asked == [("worker.make_topic", topic.pk)] * 2
    audited = AuditEntry.objects.filter(target="requests").order_by("pk")
    assert [each.action for each in audited] == ["create_topic", "delete_topic"]


def test_the_same_topic_once_more_is_the_one_there_is_and_another_is_refused(api: APIClient) -> None:
    first = post(api, name="prices", subject="prices", schema=OWN)
    assert post(api, status=200, name="prices", subject="prices", schema=OWN) == first
    refusal = post(api, status=409, name="prices", subject="prices", schema=OWN, partitions=2)
    assert refusal["error"]["code"] == "name_taken"
    assert Topic.objects.count() == 1


def test_a_name_of_another_project_or_alike_for_kafka_is_taken(api: APIClient) -> None:
    elsewhere = Project.objects.get(name="elsewhere")
    Topic.objects.create(project=elsewhere, name="a.b")
    for name in ("a.b", "a_b"):
        refusal = post(api, status=409, name=name)
        assert "is taken in this installation" in refusal["error"]["message"]
    post(api, name="a-b")


def test_a_name_stays_taken_until_its_topic_is_gone(api: APIClient) -> None:
    post(api, name="requests")
    api.delete(f"{TOPICS}requests/")
    post(api, status=409, name="requests")
    Topic.objects.all().delete()  # as the worker does
    post(api, name="requests")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "with space",
        "a/b",
        "ü",
        "x" * 250,
        "__consumer_offsets",
        "a\nb",
    ],
)
def test_a_name_that_kafka_would_not_take_is_refused(name: str, api: APIClient) -> None:
    assert fields(api, name=name)["name"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"partitions": 0}, "partitions", "between 1 and 100"),
        ({"partitions": 101}, "partitions", "between 1 and 100"),
        ({"partitions": "many"}, "partitions", "integer"),
        ({"replication": 11}, "replication", "between 1 and 10"),
        (
            {"subject": "inferenceschema", "schema_version": 6},
            "schema_version",
            "has no version 6; it has 1, 2",
        ),
        ({"subject": "inferenceschema", "schema": OWN}, "schema", "has its schemas already"),
        ({"subject": "mlrunrecord", "schema": OWN}, "schema", "have no schema"),
        ({"subject": "mlrunrecord", "schema_version": 1}, "schema_version", "have no version"),
        ({"schema": OWN}, "schema", "has no schema; leave it out"),
        ({"subject": "with space", "schema": OWN}, "subject", "letters, digits"),
        ({"subject": "prices"}, "schema", "Give the Avro schema of prices"),
        ({"subject": "prices", "schema_version": 0, "schema": OWN}, "schema_version", "from 1"),
        ({"subject": "prices", "schema": "{"}, "schema", "is no JSON"),
        ({"subject": "prices", "schema": "[" * 5_000}, "schema", ""),
        ({"subject": "prices", "schema": '{"type": "record", "name": "P"}'}, "schema", "'fields' is missing"),
        ({"subject": "prices", "schema": {"__fastavro_parsed": True}}, "schema", "parsed already"),
        ({"subject": "prices", "schema": {"type": {"type": "array"}}}, "schema", "'items' is missing"),
        ({"subject": "prices", "schema": '{"type": "Unheard"}'}, "schema", "'Unheard', which is neither"),
        ({"subject": "prices", "schema": 5}, "schema", "no Avro schema"),
        ({"subject": "prices", "schema": json.dumps(OWN | {"x": math.nan})}, "schema", "NaN is no number"),
        ({"subject": "prices", "schema": json.dumps(OWN)[:-1] + ', "x": -1e999}'}, "schema", "-1e999 is no"),
        ({"subject": "prices", "schema": json.dumps(OWN | {"doc": "\ud800"})}, "schema", "surrogate"),
        ({"subject": "prices", "schema": {"type": "enum", "name": "E", "symbols": 3}}, "schema", "is 3"),
        ({"subject": "prices", "schema": f'"{"x" * 70_000}"'}, "schema", "may have 64 KB"),
        ({"colour": "green"}, "colour", "There is no field colour"),
    ],
)
def test_a_topic_that_cannot_be_is_refused_at_its_field(
    body: dict[str, object], field: str, said: str, api: APIClient
) -> None:
    assert said in fields(api, name="prices", **body)[field][0]


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "{", ""])
def test_a_body_that_is_no_object_is_refused(body: str, api: APIClient) -> None:
    assert api.post(TOPICS, body, content_type="application/json").status_code == 400


def test_the_subject_of_inference_records_is_known_in_any_case(api: APIClient) -> None:
    made = post(api, name="log", subject="InferenceSchema")
    assert (made["subject"], made["schema_version"]) == ("inferenceschema", 5)


def test_a_topic_tells_what_the_broker_and_the_consumer_said(api: APIClient, settings: LazySettings) -> None:
    post(api, name="requests", partitions=2)
    partition = {"id": "0", "first": 3, "next": 10, "bytes": 700, "replicas": 1, "in_sync": 1}
    Topic.objects.update(
        state=Topic.State.READY,
        described={"partitions": [partition], "bytes": 700, "messages": 7},
        consumed={"stored": 5, "skipped": 1, "lag": 1},
    )
    settings.KAFKA_BROKERS = ["127.0.0.1:9092"]
    shown = api.get(f"{TOPICS}requests/").json()
    assert (shown["state"], shown["bytes"], shown["messages"]) == ("ready", 700, 7)
    assert shown["partition_table"] == [partition]
    assert shown["consumed"] == {"stored": 5, "skipped": 1, "lag": 1}
    settings.KAFKA_BROKERS = []
    assert api.get(f"{TOPICS}requests/").json()["messages"] is None, "nobody counts messages in files"


@pytest.fixture
def serving_with_three(owner: Access, api: APIClient, export: Any) -> dict[str, str]:
    """A serving that logs, takes requests and answers; the topics by their role."""
    export()
    for name in ("asked", "answered"):
        post(api, name=name)
    wanted = Settings(
        name="iris", script="Models/iris/1/predictor.py", input_topic="asked", output_topic="answered"
    )
    made, _ = services.create(access=owner, wanted=wanted)
    return {"log": made.current.topic, "input": "asked", "output": "answered"}


def test_a_topic_in_use_names_its_servings_and_is_not_deleted(
    api: APIClient, serving_with_three: dict[str, str]
) -> None:
    for role, name in serving_with_three.items():
        shown = api.get(f"{TOPICS}{name}/").json()
        assert shown["servings"] == [{"serving": "iris", "role": role}]
        answer = api.delete(f"{TOPICS}{name}/")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "topic_in_use")
        assert "is used by iris" in answer.json()["error"]["message"]
    assert api.delete(f"{PROJECT}servings/iris/").status_code == 204
    for name in serving_with_three.values():
        assert api.delete(f"{TOPICS}{name}/").status_code == 204


def test_the_topic_of_dead_letters_is_in_use_while_its_requests_are_taken(
    api: APIClient, serving_with_three: dict[str, str]
) -> None:
    for name in ("asked-dead", "answered-dead"):
        post(api, name=name)
    shown = api.get(f"{TOPICS}asked-dead/").json()
    assert shown["servings"] == [{"serving": "iris", "role": "dead-letters"}]
    answer = api.delete(f"{TOPICS}asked-dead/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "topic_in_use")
    assert api.delete(f"{TOPICS}answered-dead/").status_code == 204, "nobody takes requests from answered"
    assert api.delete(f"{PROJECT}servings/iris/").status_code == 204
    assert api.delete(f"{TOPICS}asked-dead/").status_code == 204


def test_a_topic_of_a_canary_is_in_use(api: APIClient, serving_with_three: dict[str, str]) -> None:
    post(api, name="trial", subject="inferenceschema")
    canary = {"percent": 10, "topic": "trial"}
    answer = api.post(f"{PROJECT}servings/iris/canary/", canary, format="json")
    assert answer.status_code < 300, answer.json()
    assert api.get(f"{TOPICS}trial/").json()["servings"] == [{"serving": "iris", "role": "log"}]
    assert api.delete(f"{TOPICS}trial/").status_code == 409


def test_a_topic_tells_its_schema(api: APIClient) -> None:
    post(api, name="log", subject="inferenceschema", schema_version=3)
    post(api, name="prices", subject="prices", schema_version=2, schema=json.dumps(OWN))
    post(api, name="records", subject="mlrunrecord")
    post(api, name="free")
    shown = api.get(f"{TOPICS}log/schema/").json()
    assert shown == {"subject": "inferenceschema", "version": 3, "schema": schemas.document(3)}
    assert api.get(f"{TOPICS}prices/schema/").json() == {"subject": "prices", "version": 2, "schema": OWN}
    for name in ("records", "free"):
        assert api.get(f"{TOPICS}{name}/schema/").status_code == 404


def test_every_version_of_the_inference_schema_is_told(api: APIClient) -> None:
    url = f"{PROJECT}schemas/inferenceschema/versions/"
    assert api.get(url).json() == {"subject": "inferenceschema", "versions": [1, 2, 3, 4, 5]}
    for number in schemas.VERSIONS:
        assert api.get(f"{url}{number}/").json()["schema"] == schemas.document(number)
    assert api.get(f"{url}latest/").json()["version"] == 5
    for wrong in ("6", "0", "-1", "x", "\u0665", "9" * 5_000):
        assert api.get(f"{url}{wrong}/").status_code == 404


def test_versions_of_an_own_schema_are_those_of_the_projects_topics(api: APIClient) -> None:
    wider = {**OWN, "fields": [*OWN["fields"], {"name": "currency", "type": "string"}]}  # type: ignore[misc]
    post(api, name="old", subject="prices", schema=OWN)
    post(api, name="new", subject="prices", schema_version=2, schema=wider)
    url = f"{PROJECT}schemas/prices/versions/"
    assert api.get(url).json()["versions"] == [1, 2]
    assert api.get(f"{url}latest/").json()["schema"] == wider
    assert api.get(f"{url}1/").json()["schema"] == OWN
    assert api.get(f"{PROJECT}schemas/unheard/versions/").status_code == 404
    post(api, name="again", subject="prices", schema=json.dumps(OWN, indent=1))
    refusal = post(api, status=400, name="third", subject="prices", schema=wider)
    assert "another schema already, that of the topic" in refusal["error"]["fields"]["schema_version"][0]
    assert api.get(f"{url}1/").json()["schema"] == OWN


def test_dead_letters_come_newest_first_with_bytes_and_text(api: APIClient) -> None:
    post(api, name="log", subject="inferenceschema")
    topic = Topic.objects.get()
    letters = {0: b"\x00\xff", 1: "gr\u00fc\u00df".encode(), 2: "gr\u00fc\u00df".encode()[:-1]}
    for offset, value in letters.items():
        DeadLetter.objects.create(
            topic=topic, partition="0", offset=offset, reason=f"because {offset}", value=value, size=6
        )
    answer = api.get(f"{TOPICS}log/dead-letters/").json()
    assert answer["count"] == 3
    assert [each["reason"] for each in answer["items"]] == ["because 2", "because 1", "because 0"]
    assert [base64.b64decode(each["value"]) for each in answer["items"]] == [
        letters[2],
        letters[1],
        letters[0],
    ]
    assert [each["text"] for each in answer["items"]] == ["gr\u00fc", "gr\u00fc\u00df", None]


def test_everything_of_another_projects_topic_is_not_there(api: APIClient, export: Any) -> None:
    elsewhere = Project.objects.get(name="elsewhere")
    Topic.objects.create(
        project=elsewhere, name="theirs", subject="theirs", schema_version=1, schema='"long"'
    )
    for path in ("", "schema/", "dead-letters/"):
        assert api.get(f"{TOPICS}theirs/{path}").status_code == 404
    assert api.delete(f"{TOPICS}theirs/").status_code == 404
    assert api.post(f"{TOPICS}theirs/messages/", {"messages": ["x"]}, format="json").status_code == 404
    assert api.get(f"{PROJECT}schemas/theirs/versions/").status_code == 404
