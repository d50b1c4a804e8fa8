"""Where records go through the platform: posted as lines of JSON, kept while it is away, and spoiled by no other."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from hopyard.server.control import TIMEOUT_SECONDS, Away
from hopyard.server.inference_log.sinks.posting import MOST_BYTES, Posting, Refused, parts
from tests.client.scripted import Scripted, drops, running, says, says_raw

from ..process import eventually
from .shipper import record

RECORDS = "/replicas/garden-iris-1/records/"


@pytest.fixture
def platform() -> Iterator[Scripted]:
    script = Scripted()
    with running(script):
        yield script
    script.released.set()


@pytest.fixture
def shipping(ship, platform):
    def start(**settings):
        return ship(control_url=f"{platform.url}/replicas/garden-iris-1", token="t", **settings)

    return start


def lines(platform: Scripted) -> list[dict[str, object]]:
    return [json.loads(line) for request in platform.requests for line in request.body.splitlines()]


def takes(platform: Scripted) -> None:
    platform.on("POST", RECORDS, says_raw(204, b""))


def test_records_are_posted_with_who_sends_them(shipping, platform):
    takes(platform)
    shipper = shipping(sampling_percent=50.0)
    shipper.send([record(1), record(2, inputs=(70_000, "ab" * 32), outputs=None)])
    shipper.settled(sent=2)
    first, second = lines(platform)
    assert (first["request_id"], first["replica"], first["inputs"]) == ("call-1", "r1", '{"instances": [1]}')
    assert (first["requested_at"], first["queue_us"], first["preprocess_us"]) == (
        1_760_000_000_123_456,
        125_000,
        None,
    )
    assert (second["inputs"], second["outputs"]) == ({"size": 70_000, "sha256": "ab" * 32}, None)
    assert {request.headers["Authorization"] for request in platform.requests} == {"Bearer t"}
    assert shipper.end() == 0


def test_messages_of_mlrun_are_posted_as_text(shipping, platform):
    takes(platform)
    shipper = shipping(topic_subject="mlrunrecord")
    shipper.send([(b'{"request": 1}',), (b"\xff",)])
    shipper.settled(sent=2)
    assert lines(platform) == [
        {"replica": "r1", "message": '{"request": 1}'},
        {"replica": "r1", "message": "\ufffd"},
    ]


def test_records_wait_for_a_platform_that_restarts_and_arrive_once(shipping, platform):
    platform.then(says(503, {}), drops, drops)
    shipper = shipping()
    shipper.send([record(1)])
    eventually(lambda: len(platform.requests) == 3)
    takes(platform)
    shipper.send([record(2)])
    shipper.settled(sent=2, dropped=0, waiting=0)
    assert [line["request_id"] for line in lines(platform)[3:]].count("call-1") == 1
    assert "are kept in files until the platform takes them again: the platform answered 503" in shipper.log


def test_a_platform_that_never_answers_holds_up_no_batches_but_those_of_its_first_second(shipping, platform):
    platform.on("POST", RECORDS, platform.never)
    shipper = shipping(drain_seconds=0.5)
    for number in range(50):
        shipper.send([record(number)])
    eventually(lambda: len(shipper.took) == 50, TIMEOUT_SECONDS + 3)
    for number in range(50, 100):
        shipper.send([record(number)])
    eventually(lambda: len(shipper.took) == 100, 2)
    assert shipper.end() == 0
    assert shipper.counts["dropped"] == 100
    assert "could not be sent before the end and are dropped" in shipper.log


def test_a_line_that_the_platform_refuses_spoils_no_others(shipping, platform):
    def answer(handler):
        body = platform.requests[-1].body
        (says(400, {"error": "no"}) if b'"call-5"' in body else says_raw(204, b""))(handler)

    platform.on("POST", RECORDS, answer)
    shipper = shipping()
    shipper.send([record(number) for number in range(20)])
    shipper.settled(sent=19, dropped=1, spilled=0)
    assert "refused and dropped: the platform answered 400" in shipper.log


@pytest.mark.parametrize(
    "answer", [says(401, {}), says(403, {}), says(404, {}), says_raw(302, b""), says(200, {})]
)
def test_what_may_pass_is_waited_for(shipping, platform, answer):
    """A proxy's page, a token that is being changed, a platform that is being restored."""
    answers = [says_raw(204, b""), answer]

    def first_this(handler):
        (answers.pop() if len(answers) > 1 else answers[0])(handler)

    platform.on("POST", RECORDS, first_this)
    shipper = shipping()
    shipper.send([record(1)])
    shipper.settled(sent=1, spilled=1, dropped=0, waiting=0)


def test_a_replica_whose_records_nobody_wants_any_more_drops_at_once(shipping, platform):
    platform.on("POST", RECORDS, says(410, {}))
    shipper = shipping()
    shipper.send([record(number) for number in range(20)])
    shipper.settled(sent=0, dropped=20, spilled=0)
    assert len(platform.requests) == 1


def test_a_post_says_whether_it_may_be_tried_again(platform):
    big = [b"x" * (MOST_BYTES // 2) + b"\n" for _ in range(3)]
    platform.then(says_raw(204, b""), says(410, {"error": "no"}), says_raw(204, b""), says(503, {}))
    with closing(Posting(f"{platform.url}/replicas/garden-iris-1", "t")) as posting:
        with pytest.raises(Refused, match="410") as caught:
            posting.deliver(big)
        assert caught.value.lines == 1
        with pytest.raises(Away, match="503"):
            posting.deliver([b"{}\n"])


def test_lines_are_posted_in_order_and_in_bounded_parts():
    lines = [bytes([65 + number]) * (MOST_BYTES // 3) for number in range(8)] + [b"y" * (MOST_BYTES * 2)]
    found = list(parts(lines))
    assert [line for part in found for line in part] == lines
    assert all(sum(map(len, part)) <= MOST_BYTES or len(part) == 1 for part in found)
    assert list(parts([])) == []
