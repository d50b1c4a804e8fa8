"""What is decided without a broker: what a message asks, what follows from a reply, when a commit is due, counts."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serving.topics.broker import Message
from serving.traffic import Route, Target
from worker.streaming import counting, replies, writing
from worker.streaming.pacing import HOLD_AFTER_SECONDS, HOLD_SECONDS, MOST_UNCOMMITTED, Pace
from worker.streaming.replicas import Turns
from worker.streaming.replies import Reply
from worker.streaming.requests import Unusable, read

TENSOR = {"name": "a", "shape": [1], "datatype": "FP32", "data": [1]}


def message(document: Any = None, value: bytes | None = None) -> Message:
    return Message("asked", "0", 7, json.dumps(document).encode() if value is None else value)


@pytest.mark.parametrize(
    ("document", "target"),
    [
        ({"inputs": [1]}, "/v2/models/predict"),
        ({"instances": [1]}, "/v2/models/predict"),
        ({"inputs": [TENSOR]}, "/"),
        ({"inputs": [TENSOR], "operation": "predict"}, "/"),
        ({"model": "m", "inputs": [TENSOR]}, "/v2/models/m/infer"),
        ({"model": "m", "inputs": [1], "operation": "infer"}, "/v2/models/m/predict"),
        ({"model": "m", "version": 2, "inputs": [1]}, "/v2/models/m/versions/2/predict"),
        ({"model": "m:v1", "version": "v2", "inputs": [1]}, "/v2/models/m:v1/predict"),
        ({"model": "m", "operation": "explain"}, "/v2/models/m/explain"),
        ({"operation": "explain"}, "/v2/models/explain"),
        ({"operation": "shout"}, "/"),
        ({"operation": "own/op x"}, "/"),
        ({"operation": "/shout"}, "/v2/models/shout"),
        ({"model": "m", "operation": "own/op x"}, "/v2/models/m/own%2Fop%20x"),
        ({"model": "räume\r\n", "operation": "/explain/"}, "/v2/models/r%C3%A4ume%0D%0A/explain"),
        ({"model": "\ud800", "inputs": []}, "/v2/models/%3F/predict"),
    ],
)
def test_a_body_says_which_model_and_operation_are_asked(document: Any, target: str) -> None:
    asked = read(message(document))
    assert asked.target == target
    assert asked.body == json.dumps(document).encode()


@pytest.mark.parametrize(
    ("document", "identity", "header"),
    [
        ({"id": "a-1"}, "a-1", "a-1"),
        ({"id": 12}, 12, "12"),
        ({"id": "two words"}, "two words", "asked-0-7"),
        ({"id": "x" * 200}, "x" * 200, "asked-0-7"),
        ({"id": {"a": 1}}, {"a": 1}, "asked-0-7"),
        ({"id": None}, "asked-0-7", "asked-0-7"),
        ({"id": ""}, "asked-0-7", "asked-0-7"),
        ({}, "asked-0-7", "asked-0-7"),
        ({"full_event_wrapper": True, "id": "e", "body": {"inputs": []}}, "e", "e"),
        ({"full_event_wrapper": True, "id": "e", "body": {"id": "own"}}, "own", "own"),
    ],
)
def test_an_id_is_the_callers_or_the_messages_place(document: Any, identity: Any, header: str) -> None:
    asked = read(message(document))
    assert (asked.id, asked.request_id) == (identity, header)


def test_a_place_in_a_topic_of_a_long_name_makes_an_id_that_fits() -> None:
    asked = read(replace(message({}), topic="t" * 249))
    assert asked.request_id == "t" * 124 + "-0-7"


@pytest.mark.parametrize(
    "value", [b"", b"{", b"\xff", b"[" * 50_000, b"1", b"[]", b'"text"', b'{"model": []}']
)
def test_what_asks_for_nothing_is_refused_in_a_sentence(value: bytes) -> None:
    with pytest.raises(Unusable, match=r"^[A-Z].*\.$"):
        read(message(value=value))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(Unusable) as refusal:
        read(Message("asked", "0", 7, None, skipped=b"torn"))
    assert refusal.value.code == "NotAMessage"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"predictions": [1]}', {"model_name": "iris", "predictions": [1]}),
        (b'{"id": "x", "model_name": "m", "outputs": [NaN]}', {"model_name": "m"}),
        (b"[1, 2]", {"outputs": [1, 2]}),
        (b"3", {"outputs": 3}),
        (b"hello", {"outputs": "hello"}),
        (b"\xff\x00", {"outputs_base64": "/wA="}),
        (b"", {"outputs": ""}),
        (b'{"status": "fine", "a": 1}', {"outputs": {"status": "fine", "a": 1}, "status": 200}),
    ],
)
def test_an_answer_has_what_the_replica_said_and_what_the_platform_knows(body: bytes, expected: Any) -> None:
    asked = message({"id": 3})
    said = json.loads(
        writing.answer(asked, read(asked), Reply(200, body, asked_at=0.5, seconds=0.25), "iris")
    )
    assert {name: said[name] for name in expected} == expected
    assert said["id"] == 3
    assert (said["when"], said["microsec"]) == ("1970-01-01 00:00:00.500000+00:00", 250_000)
    assert said["request"] == {"topic": "asked", "partition": "0", "offset": 7}


def test_a_dead_letter_that_is_too_large_keeps_size_digest_and_the_beginning() -> None:
    value = b"x" * 100_000
    said = json.loads(
        writing.dead_in_short(
            message(value=value), code="C", reason="R.", status=None, attempts=0, serving="iris"
        )
    )
    assert (said["size"], len(said["sha256"])) == (100_000, 64)
    assert len(said["message_base64"]) < 100_000


@pytest.mark.parametrize(
    ("status", "failed", "is_hopeless"),
    [
        (400, 1, True),
        (404, 1, True),
        (500, 1, False),
        (500, replies.MOST_FAILURES, True),
        (504, replies.MOST_FAILURES - 1, False),
        (503, replies.MOST_FAILURES, False),
        (503, replies.MOST_FAILURES_NOT_NOW, True),
        (429, replies.MOST_FAILURES_NOT_NOW - 1, False),
        (replies.UNREACHED, 10_000, False),
        (200, 10_000, False),
    ],
)
def test_a_request_is_given_up_when_it_cannot_be_answered(
    status: int, failed: int, *, is_hopeless: bool
) -> None:
    assert replies.is_hopeless(Reply(status), failed) is is_hopeless


def test_pauses_grow_up_to_a_bound() -> None:
    assert [replies.pause_seconds(failed) for failed in (0, 1, 2, 3, 50)] == [0.5, 0.5, 1.0, 2.0, 5.0]


def test_that_nobody_is_there_is_no_failure() -> None:
    assert replies.failures(Reply(replies.UNREACHED), 3) == 3
    assert replies.failures(Reply(500), 3) == 4


def test_reading_is_held_for_a_moment_when_no_pause_comes_by_itself() -> None:
    pace = Pace()
    pace.was_read(10, 0.0)
    assert pace.may_read(0.5, is_waiting=False)
    held = HOLD_AFTER_SECONDS + 0.5
    assert not pace.may_read(held, is_waiting=False)
    assert pace.may_read(held, is_waiting=True), "a request that waits for its next attempt would outlast it"
    assert pace.may_read(held + HOLD_SECONDS + 0.1, is_waiting=False)
    pace.was_read(MOST_UNCOMMITTED, held)
    assert not pace.may_read(held + HOLD_SECONDS + 0.1, is_waiting=True)
    pace.committed()
    assert pace.may_read(held + 0.1, is_waiting=False)


def test_a_canary_gets_its_part_and_targets_take_turns() -> None:
    stable = tuple(Target(name, 1, name) for name in "ab")
    canary = (Target("c", 2, "c"),)
    turns = Turns()
    firsts = [turns.next((Route(75, stable), Route(25, canary, is_canary=True)))[0].name for _ in range(400)]
    assert firsts.count("c") == 100
    assert firsts.count("a") == firsts.count("b") == 150
    assert [each.name for each in turns.next((Route(75, stable), Route(25, canary, is_canary=True)))][
        -1
    ] in "abc"
    assert turns.next(()) == []


def test_counts_of_several_processes_add_up_and_old_ones_are_forgotten() -> None:
    one = counting.merged({}, {"answered": 2, "dead": 1}, {"a": 5}, "", 1000.0)
    two = counting.merged(one, {"answered": 3}, {"b": 7}, "away", 1001.0)
    assert (two["answered"], two["dead"], two["lag"], two["problem"]) == (5, 1, 12, "away")
    assert two["since"] == one["since"] == "1970-01-01T00:16:40+00:00"
    unknown = counting.merged(two, {}, {}, "half \ud800 and \0", 1002.0 + counting.HEARD_OF_SECONDS)
    assert (unknown["lag"], unknown["problem"]) == (12, "half ? and \ufffd")
    later = counting.merged(two, {}, {"b": 0}, "", 1001.0 + counting.HEARD_OF_SECONDS)
    assert (later["lag"], list(later["lags"])) == (0, ["b"])
