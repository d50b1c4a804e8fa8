"""Topics by the client and the command line: against a scripted server, and against the platform."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.conf import LazySettings

from hopyard import cli, serving
from hopyard.client import BadRequest, Client, Conflict, InvalidArgument, NotFound, config
from hopyard.client.config import Configuration
from serving.models import DeadLetter, Topic
from serving.topics import frames
from tests.client.scripted import SERVING, Scripted, page, says
from tests.conftest import People

PROJECT = "/api/projects/demo/"
TOPICS = f"{PROJECT}topics/"
LISTED = {
    "name": "iris-inf1234",
    "subject": "inferenceschema",
    "schema_version": 5,
    "partitions": 2,
    "replication": 1,
    "state": "ready",
    "problem": "",
    "bytes": 2048,
    "messages": 7,
    "consumed": {"stored": 6, "skipped": 1, "lag": 0},
    "servings": [{"serving": "iris", "role": "log"}],
    "described_at": "2026-01-02T03:04:05Z",
    "created_by": "alice",
    "created_at": "2026-01-02T03:04:05Z",
}
PARTITION = {"id": "0", "first": 3, "next": 10, "bytes": 1024, "replicas": 3, "in_sync": 2}
SHOWN = {**LISTED, "partition_table": [PARTITION]}
LETTER = {
    "id": 1,
    "partition": "0",
    "offset": 7,
    "reason": "It ends too early.",
    "size": 2,
    "value": base64.b64encode(b"\x00\x01").decode(),
    "text": None,
    "seen_at": "2026-01-02T03:04:05Z",
}
OWN = {"type": "record", "name": "Price", "fields": [{"name": "cents", "type": "long"}]}
Run = Callable[..., Result]


@pytest.fixture
def run(scripted: Scripted) -> Run:
    config.save(Configuration(scripted.url, "hop_saved", "demo"))
    return lambda *arguments, **options: CliRunner().invoke(cli.main, arguments, **options)


def test_topics_are_listed_and_read(client: Client, scripted: Scripted) -> None:
    scripted.then(page(LISTED), says(200, SHOWN))
    (listed,) = client.topics.list()
    assert (listed.partition_table, listed.consumed["stored"]) == ([], 6)
    shown = client.topics.get("iris-inf1234")
    assert (shown.partition_table[0].next, shown.servings[0].role) == (10, "log")
    assert scripted.calls == [f"GET {TOPICS}", f"GET {TOPICS}iris-inf1234/"]


def test_any_message_is_sent_in_a_way_that_keeps_its_bytes(client: Client, scripted: Scripted) -> None:
    scripted.then(says(202, {"published": 3}), says(202, {"published": 2}))
    assert client.topics.publish("asked", ["zwölf", b"two", {"inputs": [1]}]) == 3
    assert client.topics.publish("asked", [b"\xff", "text"]) == 2
    first, second = (request.json for request in scripted.requests)
    assert first == {"messages": ["zwölf", "two", '{"inputs": [1]}'], "encoding": "text"}
    assert second["encoding"] == "base64"
    assert [base64.b64decode(each) for each in second["messages"]] == [b"\xff", b"text"]


def test_many_messages_are_sent_a_thousand_at_a_time(client: Client, scripted: Scripted) -> None:
    scripted.on("POST", f"{TOPICS}asked/messages/", says(202, {"published": 1}))
    client.topics.publish("asked", ["x"] * 2_001)
    assert [len(request.json["messages"]) for request in scripted.requests] == [1000, 1000, 1]


@pytest.mark.parametrize("message", [object(), float("nan"), {1, 2}])
def test_what_is_no_message_is_refused_before_anything_is_sent(
    message: object, client: Client, scripted: Scripted
) -> None:
    with pytest.raises(InvalidArgument, match="A message is a text, bytes"):
        client.topics.publish("asked", ["good", message])
    assert not scripted.requests


@pytest.mark.parametrize(
    "given",
    [
        {"sampling_percent": 0},
        {"sampling_percent": 101},
        {"sampling_percent": "many"},
        {"record_format": "xml"},
        {"redaction": "all"},
        {"redaction": [{"field": "x", "in": "nowhere"}]},
        {"redaction": [{"field": "x", "action": "burn"}]},
    ],
)
def test_a_setting_of_the_log_that_cannot_be_is_refused_before_anything_is_sent(
    given: dict[str, Any], client: Client, scripted: Scripted
) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(given))):
        client.servings.update("iris", **given)
    assert not scripted.requests


def test_topics_on_the_command_line(run: Run, scripted: Scripted) -> None:
    scripted.then(page(LISTED), says(200, SHOWN), page(LETTER))
    listed = run("topic", "list")
    assert listed.exit_code == 0, listed.output
    assert listed.output.splitlines()[1].split() == [
        *("iris-inf1234", "ready", "inferenceschema", "v5", "2", "2.0", "KiB", "iris")
    ]
    shown = run("topic", "show", "iris-inf1234").output
    assert "iris as log" in shown
    assert "stored=6, skipped=1, lag=0" in shown
    assert shown.splitlines()[-1].split() == ["0", "3", "10", "1.0", "KiB", "2/3"]
    letters = run("topic", "dead-letters", "iris-inf1234")
    assert "0@7    2 B   It ends too early." in letters.output


def test_a_topic_is_made_from_options_and_a_schema_file(run: Run, scripted: Scripted, tmp_path: Path) -> None:
    scripted.then(says(201, {**SHOWN, "name": "prices", "state": "waiting"}))
    path = tmp_path / "price.json"
    path.write_text(json.dumps(OWN))
    made = run("topic", "create", "prices", "--subject", "prices", "--schema", str(path), "--partitions", "3")
    assert made.output == "prices is waiting.\n"
    assert scripted.requests[0].json == {
        "name": "prices",
        "subject": "prices",
        "schema": json.dumps(OWN),
        "partitions": 3,
        "replication": 1,
    }


def test_messages_come_from_arguments_lines_and_files(run: Run, scripted: Scripted, tmp_path: Path) -> None:
    scripted.on("POST", f"{TOPICS}asked/messages/", says(202, {"published": 4}))
    whole = tmp_path / "whole.json"
    whole.write_text("{\n}\n")
    done = run(
        "topic", "publish", "asked", "one", "--lines", "-", "--file", str(whole), input="two\n\nthree\r\n"
    )
    assert done.output == "Added 4 messages to asked.\n"
    assert scripted.requests[0].json["messages"] == ["one", "two", "three", "{\n}\n"]
    assert "Give at least one message" in run("topic", "publish", "asked").output


def test_a_topic_is_deleted_after_a_question(run: Run, scripted: Scripted) -> None:
    scripted.on("DELETE", f"{TOPICS}asked/", says(204, None))
    assert run("topic", "delete", "asked", input="n\n").exit_code == 1
    assert not scripted.requests
    assert run("topic", "delete", "asked", "--yes").output == "Deleted asked.\n"


def test_a_serving_is_deleted_with_its_topic_only_if_told(run: Run, scripted: Scripted) -> None:
    scripted.on("DELETE", f"{PROJECT}servings/iris/", says(204, None))
    run("serving", "delete", "iris", "--yes")
    asked = run("serving", "delete", "iris", "--with-topic", input="y\n")
    assert "Delete serving iris and its topic?" in asked.output
    assert scripted.calls == [
        f"DELETE {PROJECT}servings/iris/",
        f"DELETE {PROJECT}servings/iris/?topic=delete",
    ]


def test_the_options_of_the_log_become_settings(run: Run, scripted: Scripted) -> None:
    rules = [{"action": "mask", "in": "inputs", "field": "a.b"}]
    scripted.then(
        says(201, SERVING), says(200, SERVING), says(200, SERVING), says(200, {**SERVING, "redaction": rules})
    )
    options = {
        "--sampling-percent": "12.5",
        "--record-format": "mlrun",
        "--redact": "mask inputs field a.b",
        "--events-url": "http://hook/",
        "--input-topic": "asked",
        "--output-topic": "answered",
    }
    flat = [word for pair in options.items() for word in pair]
    more = ["--redact", r"remove both pattern \d{4} x"]
    made = run("serving", "create", "iris", "Models/iris/1/predictor.py", *flat, *more)
    assert made.exit_code == 0, made.output
    body = scripted.requests[0].json
    assert body["redaction"] == [
        {"action": "mask", "in": "inputs", "field": "a.b"},
        {"action": "remove", "in": "both", "pattern": r"\d{4} x"},
    ]
    assert (body["sampling_percent"], body["record_format"], body["events_url"]) == (
        12.5,
        "mlrun",
        "http://hook/",
    )
    assert (body["input_topic"], body["output_topic"]) == ("asked", "answered")
    assert run("serving", "edit", "iris", "--redact", "").exit_code == 0
    assert scripted.requests[-1].json == {"redaction": [], "expected_revision": 3}
    assert "is not ACTION WHERE field PATH" in run("serving", "edit", "iris", "--redact", "mask all").output
    assert "mask inputs field a.b" in run("serving", "show", "iris").output


@pytest.fixture
def bob(live_server: Any, people: People, key_of: Callable[..., Any], monkeypatch: Any) -> Iterator[Client]:
    """A client of the platform with a key of Bob's, which the module functions use too."""
    with Client(live_server.url, key_of(people.bob)[1], "garden") as client:
        monkeypatch.setattr("hopyard.client.default._current", client)
        yield client


def test_a_topic_lives_on_the_platform(bob: Client, settings: LazySettings, tmp_path: Path) -> None:
    settings.TOPIC_DIR = tmp_path
    made = bob.topics.create("prices", subject="prices", schema=OWN, partitions=2)
    assert (made.state, made.created_by, bob.topics.schema("prices").schema) == ("waiting", "bob", OWN)
    assert bob.topics.schema_versions("prices") == [1]
    assert bob.topics.schema_version("inferenceschema").version == 5
    assert bob.topics.publish("prices", [b"\xff", {"cents": 5}]) == 2
    (file,) = (tmp_path / "prices").iterdir()
    kept = [each.value for each in frames.read(file.read_bytes(), 0, is_end=True)]
    assert kept == [b"\xff", b'{"cents": 5}']
    with pytest.raises(Conflict, match="another one"):
        bob.topics.create("prices")
    with pytest.raises(BadRequest, match="letters, digits"):
        bob.topics.create("no name")
    topic = Topic.objects.get()
    for offset in range(3):
        DeadLetter.objects.create(
            topic=topic, partition="0", offset=offset, reason="foreign", value=b"\xfe", size=1
        )
    assert [each.offset for each in bob.topics.dead_letters("prices", most=2)] == [2, 1]
    assert bob.topics.dead_letters("prices")[0].data == b"\xfe"
    bob.topics.delete("prices")
    with pytest.raises(NotFound):
        bob.topics.get("prices")


def test_the_settings_of_the_log_come_back_as_they_were_given(
    bob: Client, export: Callable[..., Any]
) -> None:
    export()
    rules: Any = [{"field": "card", "in": "inputs", "action": "hash"}]
    made = bob.servings.create(
        "iris", "Models/iris/1/predictor.py", topic_partitions=3, sampling_percent=5, redaction=rules
    )
    assert (made.sampling_percent, made.redaction, made.topic_partitions) == (5.0, rules, 3)
    assert made.topic is not None
    assert [use.serving for use in bob.topics.get(made.topic).servings] == ["iris"]
    with pytest.raises(Conflict, match="is used by iris"):
        bob.topics.delete(made.topic)
    serving.delete("iris", with_topic=True)
    assert bob.topics.list() == []
