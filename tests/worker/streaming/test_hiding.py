"""Requests that were put aside are shown as the rules of redaction leave them, and are whole in their topic."""

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.models import DeadLetter, Revision, Serving, Topic
from serving.topics.broker import Message
from worker import redacting
from worker.streaming.hiding import NOT_KEPT, REASON_NOT_KEPT
from worker.streaming.publishing import Letter, Publisher
from worker.streaming.wanted import Stream
from worker.topics.directory import DirectoryBroker

TOKEN = "123-45-6789"
SSN = {"field": "ssn", "action": "mask"}
Shown = tuple[str, str]


@pytest.fixture
def put_aside(create: Callable[..., Serving], tmp_path: Path) -> Iterator[Callable[..., Shown]]:
    """Put one request aside and return what is shown of it: its text and the reason."""
    serving = create(topic="NONE", redaction=[SSN])
    stream = Stream(serving_id=serving.pk, serving="iris", group="iris", input_topic="asked", output_topic="")
    broker = DirectoryBroker(tmp_path)
    publisher = Publisher(broker, stream)
    Topic.objects.create(project=serving.project, name="asked")
    publisher.prepare()

    numbers = itertools.count()

    def put(value: bytes, reason: str, *, status: int = 500, is_ours: bool = False) -> Shown:
        message = Message("asked", "0", next(numbers), value)
        publisher.put_aside([Letter(message, "Bad", reason, status, is_ours=is_ours)])
        kept = DeadLetter.objects.get(offset=message.offset)
        assert kept.size == len(value)
        return bytes(kept.value).decode(), kept.reason

    yield put
    publisher.close()


def request(**fields: object) -> bytes:
    return json.dumps({"id": "1", "model": "iris", "inputs": [{"ssn": TOKEN, "age": 40}], **fields}).encode()


def test_a_request_is_shown_without_what_the_rules_hide(
    put_aside: Callable[..., Shown], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    text, reason = put_aside(request(), f"ValueError: {TOKEN} is no number")
    document = json.loads(text)
    assert document == {"id": "1", "model": "iris", "inputs": [{"ssn": "***", "age": 40}]}
    assert TOKEN not in reason
    assert reason.startswith("ValueError: ")
    assert "put aside" in caplog.text
    assert TOKEN not in caplog.text
    whole = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert TOKEN.encode() in whole, "the topic of dead letters has it to be sent again"


def test_a_request_in_an_event_is_shown_in_it_without_what_is_beside(put_aside: Callable[..., Shown]) -> None:
    event = {"full_event_wrapper": True, "body": json.loads(request()), "id": "e1", "headers": {"a": TOKEN}}
    document = json.loads(put_aside(json.dumps(event).encode(), "It is bad.")[0])
    assert document["full_event_wrapper"] is True
    assert document["body"]["inputs"] == [{"ssn": "***", "age": 40}]
    assert TOKEN not in json.dumps(document)


@pytest.mark.parametrize("value", [b"no JSON: " + TOKEN.encode(), b"[1]", b"\xff\x00"])
def test_what_is_no_request_is_not_shown(put_aside: Callable[..., Shown], value: bytes) -> None:
    reason = "The message is not JSON."
    assert put_aside(value, reason, is_ours=True) == ("", f"{reason} {NOT_KEPT}")
    assert put_aside(value, f"ValueError: {TOKEN}") == ("", f"{REASON_NOT_KEPT} {NOT_KEPT}")


def test_why_a_request_was_refused_is_shown_where_the_model_has_not_run(
    put_aside: Callable[..., Shown],
) -> None:
    reason = f"The model iris has no operation {TOKEN}; it has infer, predict."
    without = reason.replace(TOKEN, "***")
    assert put_aside(request(operation=TOKEN), reason, status=404)[1] == without
    Revision.objects.update(redaction=[{**SSN, "in": "outputs"}])
    assert put_aside(request(), "It takes 4 columns.", status=400)[1] == "It takes 4 columns."
    assert "It takes" not in put_aside(request(), "It takes 4 columns.", status=500)[1]


def test_one_process_redacts_for_all_batches(
    put_aside: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(request(), "It is bad.")
    monkeypatch.setattr(redacting, "COMMAND", ("no-such-program",))
    assert "***" in put_aside(request(), "It is bad.")[0]


def test_of_a_serving_that_is_gone_nothing_is_shown(
    put_aside: Callable[..., Shown], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Serving.objects.all().delete()
    with pytest.raises(DeadLetter.DoesNotExist):
        put_aside(request(), f"ValueError: {TOKEN}")
    assert "put aside" in caplog.text
    assert TOKEN not in caplog.text


def test_the_platforms_own_reasons_stay_as_they_are(put_aside: Callable[..., Shown]) -> None:
    large = request(inputs=["x" * 70_000])
    reason = "It did not answer in time."
    assert put_aside(large, reason, is_ours=True) == ("", f"{reason} {NOT_KEPT}")


def test_without_the_process_of_the_rules_nothing_is_shown(
    put_aside: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redacting, "COMMAND", ("false",))
    text, reason = put_aside(request(), f"ValueError: {TOKEN}")
    assert text == ""
    assert TOKEN not in reason


def test_the_rules_of_a_canary_count_too(put_aside: Callable[..., Shown]) -> None:
    serving = Serving.objects.get()
    canary = serving.revisions.get()
    canary.pk, canary.number, canary.redaction = None, 2, [{"field": "age", "action": "mask"}]
    canary.save()
    Serving.objects.update(canary=canary)
    assert json.loads(put_aside(request(), "It is bad.")[0])["inputs"] == [{"ssn": "***", "age": "***"}]


def test_without_rules_everything_is_shown(put_aside: Callable[..., Shown]) -> None:
    Revision.objects.update(redaction=[])
    assert put_aside(b"no JSON", f"It has {TOKEN}.") == ("no JSON", f"It has {TOKEN}.")
