"""V1: what handlers get of a body, and what their values become."""

import datetime
import json
from typing import Any

import kserve
import numpy as np
import pytest

from hopyard.server.replies import Problem, Reply

from .asking import Asking, loaded


class Shows(kserve.Model):
    """Answers with what it was asked with."""

    def __init__(self) -> None:
        super().__init__("m")
        self.ready = True

    def predict(self, payload, headers):
        if isinstance(payload, bytes):
            return {"bytes": payload.decode("latin-1")}
        return {"value": payload}


class Answers(kserve.Model):
    """Answers with whatever it was made with."""

    def __init__(self, value: Any) -> None:
        super().__init__("m")
        self.ready = True
        self.value = value

    def predict(self, payload, headers):
        return self.value


def seen(asking: Asking, body: Any, **headers: str) -> Any:
    return loaded(asking.predict(Shows(), body, {k.replace("_", "-"): v for k, v in headers.items()}))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/ld+json",
        "application/vnd.own+json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    ],
)
@pytest.mark.parametrize("value", [{"instances": [1]}, {"other": 1}, [1, 2], 7])
def test_json_is_a_value_under_all_its_types(asking: Asking, content_type: str | None, value: Any) -> None:
    headers = {} if content_type is None else {"content_type": content_type}
    assert seen(asking, json.dumps(value), **headers) == {"value": value}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("image/png", b"\x89PNG"), ("text/plain", b"[1]"), ("application/x-www-form-urlencoded", b"a=1&b=2")],
)
def test_other_types_are_bytes(asking: Asking, content_type: str, body: bytes) -> None:
    assert seen(asking, body, content_type=content_type) == {"bytes": body.decode("latin-1")}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"instances": [1,]}'])
@pytest.mark.parametrize("headers", [{}, {"content_type": "application/json"}])
def test_a_body_that_should_be_json_and_is_not_is_refused(
    asking: Asking, body: bytes, headers: dict[str, str]
) -> None:
    with pytest.raises(Problem) as caught:
        seen(asking, body, **headers)
    assert caught.value.status == 400
    assert caught.value.sentence.startswith("Unrecognized request format: ")


def test_headers_are_a_dict_of_the_handlers_own(asking: Asking) -> None:
    class Marks(Shows):
        def preprocess(self, payload, headers):
            headers["x-mark"] = "1"
            return payload

        def predict(self, payload, headers):
            return {"predictions": [type(headers).__name__, sorted(headers)]}

    answer = loaded(asking.predict(Marks(), {}, {"content-type": "application/json"}))
    assert answer == {"predictions": ["dict", ["content-type", "x-mark"]]}


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"predictions": [1, 2]}, b'{"predictions":[1,2]}'),
        ([1, 2], b"[1,2]"),
        ((1, 2), b"[1,2]"),
        (7, b"7"),
        (None, b"null"),
        ({"predictions": np.array([1.5, 2.5])}, b'{"predictions":[1.5,2.5]}'),
        ({"predictions": np.float32(1.5)}, b'{"predictions":1.5}'),
        ({"a": [float("nan"), float("inf"), 1.0]}, b'{"a":[null,null,1.0]}'),
        ({"at": datetime.date(2024, 1, 2)}, b'{"at":"2024-01-02"}'),
        ({1: 2}, b'{"1":2}'),
    ],
)
def test_values_are_written_as_json(asking: Asking, value: Any, body: bytes) -> None:
    assert asking.predict(Answers(value), {}) == body


@pytest.mark.parametrize("value", ["text", b"text"])
def test_text_and_bytes_are_the_body_without_a_type(asking: Asking, value: Any) -> None:
    assert asking.predict(Answers(value), {}) == Reply(b"text", content_type=None)


def test_generators_are_streams(asking: Asking) -> None:
    class Streams(Answers):
        def predict(self, payload, headers):
            yield "a"

    class StreamsAsync(Answers):
        async def predict(self, payload, headers):
            yield "a"

    for kind in (Streams, StreamsAsync):
        reply = asking.predict(kind(None), {})
        assert reply.stream is not None
        assert reply.content_type is None


def test_a_response_is_the_json_of_v2(asking: Asking) -> None:
    output = kserve.InferOutput("out", [2], "fp32", [1.5, 2.5])
    answer = asking.predict(Answers(kserve.InferResponse("id-1", "m", [output])), {})
    assert json.loads(answer) == {
        "id": "id-1",
        "model_name": "m",
        "model_version": None,
        "outputs": [{"name": "out", "shape": [2], "datatype": "FP32", "data": [1.5, 2.5]}],
    }


def test_what_json_cannot_hold_says_where(asking: Asking) -> None:
    with pytest.raises(TypeError, match=r"predictions.* is a .*object"):
        asking.predict(Answers({"predictions": [object()]}), {})


EVENT = {
    "ce_specversion": "1.0",
    "ce_id": "e-1",
    "ce_source": "here",
    "ce_type": "asked",
    "ce_own": "kept",
    "content_type": "application/json",
}
ENVELOPE = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "here",
    "type": "asked",
    "time": "now",
    "own": "kept",
}


def test_a_binary_event_is_answered_by_a_binary_event(asking: Asking) -> None:
    reply = asking.predict(Shows(), {"instances": [1]}, {k.replace("_", "-"): v for k, v in EVENT.items()})
    assert loaded(reply) == {"value": {"instances": [1]}}
    lines = dict(line.split(": ", 1) for line in reply.headers.decode().splitlines())
    assert lines.keys() == {"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"}
    assert lines["ce-source"] == "io.kserve.inference.m"
    assert lines["ce-type"] == "io.kserve.inference.response"
    assert lines["ce-id"] != "e-1"
    assert reply.content_type == b"application/json"


def test_the_environment_changes_how_events_are_answered(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CE_MERGE": "true", "CE_TYPE": "answered", "CE_SOURCE": "there"}.items():
        monkeypatch.setenv(name, value)
    headers = {k.replace("_", "-"): v for k, v in EVENT.items()}
    text = asking.predict(Shows(), {}, headers).headers.decode()
    assert "ce-own: kept\r\n" in text
    assert "ce-type: answered\r\n" in text
    assert "ce-source: there\r\n" in text


def test_a_structured_event_is_answered_by_one(asking: Asking) -> None:
    headers = {"content-type": "application/cloudevents+json"}
    reply = asking.predict(Shows(), {**ENVELOPE, "data": {"instances": [1]}}, headers)
    assert reply.content_type == b"application/cloudevents+json"
    envelope = loaded(reply)
    assert envelope["data"] == {"value": {"instances": [1]}}
    assert (envelope["specversion"], envelope["datacontenttype"]) == ("1.0", "application/json")


def test_a_structured_event_under_plain_json_is_answered_plainly(asking: Asking) -> None:
    answer = asking.predict(Shows(), {**ENVELOPE, "data": [1]})
    assert loaded(answer) == {"value": [1]}
    assert not getattr(answer, "headers", b"")


def test_what_lacks_an_attribute_is_no_event(asking: Asking) -> None:
    document = {k: v for k, v in ENVELOPE.items() if k != "time"} | {"data": [1]}
    assert loaded(asking.predict(Shows(), document)) == {"value": document}
    headers = {"ce-specversion": "1.0", "content-type": "application/json"}
    assert loaded(asking.predict(Shows(), [1], headers)) == {"value": [1]}


def test_a_binary_event_of_other_data_is_bytes_and_of_broken_json_refused(asking: Asking) -> None:
    assert seen(asking, b"\x89PNG", **{**EVENT, "content_type": "image/png"}) == {"bytes": "\x89PNG"}
    with pytest.raises(Problem, match="Failed to decode or parse binary json cloudevent: ") as caught:
        seen(asking, b"{", **EVENT)
    assert caught.value.status == 400
