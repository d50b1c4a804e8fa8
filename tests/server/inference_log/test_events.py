"""CloudEvents of calls, as KServe's logger sends them, to collectors that are slow, broken or away."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from hopyard.server.inference_log.bodies import Body, whole
from hopyard.server.inference_log.encoding import Origin, Told
from hopyard.server.inference_log.pairs import Pairs
from hopyard.server.inference_log.redaction import Redaction
from hopyard.server.inference_log.sinks import events
from hopyard.server.inference_log.sinks.events import EventsSink
from tests.ports import free_port
from tests.waiting import eventually

from .collector import Collector

ORIGIN = Origin(
    serving_id=7,
    serving="iris",
    model_version=1,
    project="garden",
    revision=3,
    replica="iris-1",
    model="iris",
    artifact_version="MODEL-ONLY",
    logging_mode="ALL",
    sampling_percent=100.0,
)
INPUTS, OUTPUTS = b'{"instances": [[1,  2]]}', b'{"predictions": [3]}'


def told(
    *, inputs: Any = INPUTS, outputs: Any = OUTPUTS, status=200, error=None, protocol="v1", extra=None
) -> Told:
    times = (0.25, 0.0, -1.0, 0.2, -1.0)
    record = (
        1_700_000_000.5,
        status,
        b"r-1",
        protocol,
        "predict",
        *times,
        inputs,
        outputs,
        error,
        None,
        extra,
    )
    return Told(record, whole(inputs), whole(outputs), error)


def pairs(mode="ALL", *, exact=True) -> Pairs:
    return Pairs(replace(ORIGIN, logging_mode=mode), exact=exact)


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


@pytest.fixture
def sink(collector: Collector) -> Iterator[EventsSink]:
    found = EventsSink(collector.url, pairs())
    yield found
    collector.released.set()
    found.close(0)


def test_a_call_is_a_pair_of_events_in_binary_mode(collector, sink):
    sink.put(told(extra={"content_type": "application/json; charset=utf-8", "ce_id": None}))
    sink.close(5)
    by_type = {headers["ce-type"]: (headers, body) for headers, body in collector.events}
    request, asked = by_type["org.kubeflow.serving.inference.request"]
    response, answered = by_type["org.kubeflow.serving.inference.response"]
    assert (asked, answered) == (INPUTS, OUTPUTS)
    for headers in (request, response):
        assert {name: headers[f"ce-{name}"] for name in ("specversion", "id", "source", "component")} == {
            "specversion": "1.0",
            "id": "r-1",
            "source": "/inference/garden/iris",
            "component": "predictor",
        }
        assert (headers["ce-inferenceservicename"], headers["ce-namespace"]) == ("iris", "garden")
        assert headers["ce-endpoint"] == "default"
    times = [datetime.fromisoformat(each["ce-time"]).timestamp() for each in (request, response)]
    assert times == [1_700_000_000.5, 1_700_000_000.75]
    assert request["content-type"] == "application/json; charset=utf-8"
    assert response["content-type"] == "application/json"
    assert response["ce-status"] == "200"
    assert (sink.sent, sink.dropped, sink.waiting) == (2, 0, 0)


def test_the_pair_has_the_id_that_the_request_came_with():
    for event in pairs().of(told(extra={"ce_id": "ä b%"})):
        assert event.headers["ce-id"] == "%C3%A4%20b%25"


@pytest.mark.parametrize(
    ("mode", "kinds"), [("ALL", 2), ("MODEL_INPUTS", "request"), ("PREDICTIONS", "response"), ("NONE", 0)]
)
def test_the_mode_says_which_events_there_are(mode, kinds):
    found = [event.headers["ce-type"].rpartition(".")[2] for event in pairs(mode).of(told())]
    assert (len(found) if isinstance(kinds, int) else found) == (kinds if isinstance(kinds, int) else [kinds])


def test_calls_of_every_status_are_told():
    _, response = pairs().of(told(outputs=b"", status=500, error="boom"))
    assert (response.headers["ce-status"], json.loads(response.body)) == ("500", {"error": "boom"})
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("raw", "given", "kind"),
    [
        (b'{"a":1}', "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        (b'{"a":1}', "application/grpc", "application/json"),
        (b'{"a":1}', "application/octet-stream", "application/json"),
        (b'{"a":1}', None, "application/json"),
        (b"\x00\x01", None, "application/octet-stream"),
        (b"\x89PNG", "image/png", "image/png"),
    ],
)
def test_a_body_goes_as_it_was_under_a_content_type_that_is_true_of_it(raw, given, kind):
    request, _ = pairs().of(told(inputs=raw, extra={"content_type": given}))
    assert (request.body, request.headers["Content-Type"]) == (raw, kind)


def test_a_body_that_is_not_kept_is_told_by_size_and_digest():
    request, response = pairs().of(told(inputs=(50_000_000, "ab" * 32), outputs=None))
    assert json.loads(request.body) == {"size": 50_000_000, "sha256": "ab" * 32}
    assert request.headers["Content-Type"] == "application/json"
    assert response.body == b""


def test_a_redacted_call_tells_nothing_that_was_on_the_wire():
    call = told(inputs=b'{"ssn": 1}', outputs=b"\xff 1", extra={"content_type": "text/plain"})
    kept = Redaction.of([{"field": "ssn"}]).kept(b'{"ssn": 1}', b"\xff 1")
    request, response = pairs(exact=False).of(Told(call.record, kept.inputs, kept.outputs, kept.error))
    assert (request.body, request.headers["Content-Type"]) == (b'{"ssn":"***"}', "application/json")
    assert json.loads(response.body).keys() == {"size", "sha256"}


def test_headers_are_plain_whatever_a_name_holds():
    strange = Origin(
        **{**{n: getattr(ORIGIN, n) for n in ORIGIN.__slots__}, "serving": 'ä\r\nX: "y"', "project": "ß"}
    )
    call = told(extra={"content_type": "text/plain\r\nEvil: 1", "ce_id": "x\r\ny"})
    for event in Pairs(strange, exact=True).of(call):
        for value in event.headers.values():
            assert value.isascii()
            assert value.isprintable()


# The sink


def test_a_collector_that_fails_for_a_moment_gets_the_event_after_all(collector, sink):
    collector.answer = lambda self, request: 503 if self.posts <= 2 else 202
    sink.put(told(outputs=None))
    eventually(lambda: sink.sent == 2)
    assert sink.dropped == 0
    assert len(collector.events) == 2


@pytest.mark.parametrize(
    ("answer", "posts"),
    [
        (lambda self, request: 500, 3),
        (lambda self, request: None, 3),
        (lambda self, request: 404, 1),
        (lambda self, request: 302, 1),
    ],
    ids=["500", "closes", "404", "redirects"],
)
def test_what_a_collector_does_not_take_is_dropped_and_counted(collector, answer, posts, caplog):
    collector.answer = answer
    sink = EventsSink(collector.url, pairs("MODEL_INPUTS"))
    sink.put(told())
    eventually(lambda: sink.dropped == 1)
    assert (sink.sent, collector.posts) == (0, posts)
    for _ in range(20):
        sink.put(told())
    eventually(lambda: sink.dropped == 21)
    assert caplog.text.count("CloudEvents cannot be sent to") == 1
    collector.answer = lambda self, request: 202
    sink.put(told())
    eventually(lambda: sink.sent == 1)
    assert "are sent to" in caplog.text
    sink.close(1)


def test_nobody_waits_for_a_collector_that_is_slow(collector, sink, monkeypatch):
    monkeypatch.setattr(events, "MOST_WAITING", 10)
    collector.answer = lambda self, request: 202 if self.released.wait(30) else None
    for _ in range(100):
        sink.put(told())
    assert sink.sent == 0
    assert sink.waiting <= 10 + events.SENDERS
    assert sink.dropped + sink.waiting == 200
    taken = sink.waiting
    collector.released.set()
    eventually(lambda: sink.sent == taken)
    assert sink.waiting == 0


def test_large_events_fill_the_queue_by_their_bytes(collector, sink, monkeypatch):
    monkeypatch.setattr(events, "MOST_BYTES", 100_000)
    collector.answer = lambda self, request: 202 if self.released.wait(30) else None
    for _ in range(10):
        sink.put(told(inputs=b'"' + b"a" * 30_000 + b'"', outputs=None))
    assert sink.dropped >= 6
    collector.released.set()
    eventually(lambda: not sink.waiting)


def test_an_end_does_not_wait_longer_than_it_may(collector, sink):
    collector.answer = lambda self, request: 202 if self.released.wait(30) else None
    for _ in range(20):
        sink.put(told())
    sink.close(0.2)
    assert (sink.sent, sink.dropped) == (0, 40)
    sink.put(told())
    assert sink.dropped == 42


def test_nobody_at_the_address_is_no_trouble():
    sink = EventsSink(f"http://127.0.0.1:{free_port()}/", pairs())
    sink.put(told())
    eventually(lambda: sink.dropped == 2)
    sink.close(0)


def test_a_connection_that_the_collector_closed_in_between_costs_no_event(collector, sink):
    def answer(self: Collector, request: Any) -> int:
        request.close_connection = True  # without saying so
        return 202

    collector.answer = answer
    for number in range(1, 20):
        sink.put(told())
        eventually(lambda: sink.sent == 2 * number)  # noqa: B023
    assert sink.dropped == 0


def test_the_log_has_no_secrets_of_the_address(collector, caplog):
    collector.answer = lambda self, request: 404
    address = collector.url.replace("http://", "http://me:hunter2@")
    sink = EventsSink(f"{address}&key=hunter2", pairs("MODEL_INPUTS"))
    sink.put(told())
    eventually(lambda: sink.dropped == 1)
    collector.answer = lambda self, request: 202
    sink.put(told())
    eventually(lambda: sink.sent == 1)
    sink.close(1)
    plain = collector.url.partition("?")[0]
    assert f"cannot be sent to {plain} and are dropped: it answered 404 Not Found" in caplog.text
    assert f"are sent to {plain} again" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_body_of_nothing_is_nothing():
    assert whole(b"") == Body("", 0)
    request, response = pairs().of(told(inputs=b"", outputs=b""))
    assert (request.body, response.body) == (b"", b"")
