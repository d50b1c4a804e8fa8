"""Records of MLRun's layout."""

import hashlib
import json

import pytest

from hopyard.server.inference_log import redaction as redaction_module
from hopyard.server.inference_log.messages import redacted
from hopyard.server.inference_log.redaction import NOT_KEPT, Redaction
from tests.server.inference_log.redaction.hiding import EMAIL, TOKEN

SINGLE = {
    "class": "M",
    "model": "m",
    "function_uri": "p/f",
    "request": {"inputs": [{"ssn": TOKEN}]},
    "op": "infer",
    "resp": {"outputs": [1], "ssn": TOKEN},
    "when": "2024-01-01 00:00:00.000000+00:00",
    "microsec": 5,
    "metrics": {"note": "a@b.co"},
}


def test_a_record_of_mlrun_keeps_its_layout():
    redaction = Redaction.of([{"field": "ssn"}, {"pattern": EMAIL}])
    found = json.loads(redacted(redaction, json.dumps(SINGLE).encode()))
    assert list(found) == list(SINGLE)
    assert (found["request"], found["resp"]) == ({"inputs": [{"ssn": "***"}]}, {"outputs": [1], "ssn": "***"})
    assert found["metrics"] == {"note": "***"}


def test_every_row_of_a_batch_is_redacted():
    headers = ["request", "op", "resp", "when", "microsec", "metrics"]
    batch = {
        "class": "M",
        "model": "m",
        "headers": headers,
        "values": [[SINGLE[each] for each in headers]] * 2,
    }
    text = redacted(Redaction.of([{"field": "inputs.ssn", "in": "inputs"}]), json.dumps(batch).encode())
    rows = json.loads(text)["values"]
    assert [row[0] for row in rows] == [{"inputs": [{"ssn": "***"}]}] * 2
    assert [row[1:] for row in rows] == [row[1:] for row in batch["values"]]


def test_an_error_of_mlrun_quotes_nothing_either():
    record = {
        "model": "m",
        "request": {"ssn": TOKEN},
        "op": "infer",
        "error": f"bad {TOKEN}\nTraceback {TOKEN}",
    }
    assert TOKEN.encode() not in redacted(Redaction.of([{"field": "ssn"}]), json.dumps(record).encode())


@pytest.mark.parametrize("request_kept", [None, {"size": 70_000, "sha256": "ab" * 32}])
def test_an_error_of_mlrun_is_not_kept_without_the_request_that_it_may_quote(request_kept):
    record = {"model": "m", "request": request_kept, "op": "infer", "error": f"bad {TOKEN}"}
    found = json.loads(redacted(Redaction.of([{"field": "ssn"}]), json.dumps(record).encode()))
    assert (found["request"] is None, found["error"]) == (request_kept is None, NOT_KEPT)


@pytest.mark.parametrize("request_kept", [{"size": TOKEN, "sha256": "ab" * 32}, {"size": 1, "sha256": TOKEN}])
def test_a_request_of_the_same_names_is_no_digest(request_kept):
    record = json.dumps({"model": "m", "request": request_kept, "op": "a" * 60_000}).encode()
    found = json.loads(redacted(Redaction.of([{"pattern": "(a+)+b"}]), record))
    assert TOKEN not in json.dumps(found["request"])
    assert found["request"]["size"] == len(json.dumps(request_kept))


def test_the_digest_of_a_large_request_of_mlrun_is_no_plain_sha256():
    digest = hashlib.sha256(b"123-45-6789").hexdigest()
    record = json.dumps({"model": "m", "request": {"size": 11, "sha256": digest}, "op": "infer"}).encode()
    rules = [{"field": "ssn"}]
    salted, other, plain = (
        json.loads(redacted(each, record))["request"]
        for each in (Redaction.of(rules, "salt"), Redaction.of(rules, "pepper"), Redaction.of([]))
    )
    assert plain == {"size": 11, "sha256": digest}
    assert (salted["size"], other["size"]) == (11, 11)
    assert len({digest, salted["sha256"], other["sha256"]}) == 3


def test_what_else_a_record_of_mlrun_tells_of_a_call_is_redacted_too():
    rules = [{"pattern": EMAIL}, {"field": "ssn", "action": "remove"}]
    more = {"op": "a@b.co", "labels": {"of": "a@b.co"}, "own": ["a@b.co"], "ssn": 5, "worker": 3}
    found = json.loads(redacted(Redaction.of(rules), json.dumps({**SINGLE, **more}).encode()))
    assert (found["op"], found["labels"], found["own"], found["ssn"]) == ("***", {"of": "***"}, ["***"], None)
    headers = ["request", "op", "resp"]
    batch = {"model": "m", "headers": headers, "values": [[{}, "a@b.co", {}]], "labels": {"of": "a@b.co"}}
    found = json.loads(redacted(Redaction.of(rules), json.dumps(batch).encode()))
    assert found == {**batch, "values": [[{}, "***", {}]], "labels": {"of": "***"}}


def test_what_a_record_of_mlrun_tells_of_its_server_stays():
    found = json.loads(redacted(Redaction.of([{"pattern": r"\w"}]), json.dumps(SINGLE).encode()))
    assert [found[each] for each in ("class", "model", "function_uri", "when", "microsec")] == [
        SINGLE[each] for each in ("class", "model", "function_uri", "when", "microsec")
    ]


def test_an_error_of_mlrun_does_not_tell_what_rules_hide_in_answers():
    record = {"model": "m", "request": {"a": 1}, "op": "infer", "error": f"bad answer {TOKEN}"}
    redaction = Redaction.of([{"field": "ssn", "in": "outputs"}])
    assert json.loads(redacted(redaction, json.dumps(record).encode()))["error"] == NOT_KEPT


@pytest.mark.parametrize(
    ("record", "pattern", "why"),
    [
        ({"request": "a" * 60_000}, "(a+)+b", "more than its time"),
        ({"request": json.loads("[" * 300 + "]" * 300)}, "b", "cannot be redacted"),
    ],
)
def test_the_reason_why_a_record_keeps_no_bodies_is_told_as_it_is(record, pattern, why, caplog):
    redaction_module.say.cache_clear()
    rules = [{"pattern": pattern}, {"field": "ssn", "action": "hash"}]
    found = json.loads(redacted(Redaction.of(rules), json.dumps({**record, "op": "a@b.co"}).encode()))
    assert (found["request"].keys(), found["op"]) == ({"size", "sha256"}, None)
    assert [why in each.message for each in caplog.records] == [True]


def test_a_record_of_mlrun_that_takes_for_ever_keeps_no_bodies():
    record = {**SINGLE, "request": {"inputs": ["a" * 60_000]}, "error": "a"}
    found = json.loads(redacted(Redaction.of([{"pattern": "(a+)+b"}]), json.dumps(record).encode()))
    assert found["request"].keys() == {"size", "sha256"}
    assert (found["model"], found["metrics"], found["error"]) == ("m", {}, NOT_KEPT)
