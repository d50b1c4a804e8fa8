"""Which servings are asked through topics, and that lanes come and go with them."""

import threading
from dataclasses import replace

import pytest

from serving.models import Revision, Serving
from tests.waiting import eventually
from worker.streaming.following import Lanes
from worker.streaming.wanted import Stream, streams

STREAM = Stream(serving_id=1, serving="iris", group="garden-iris-1", input_topic="in", output_topic="out")


class Recorded:
    """A lane that says when it begins and ends; it ends only once it may."""

    def __init__(self, stream: Stream, said: list[str], may_end: threading.Event) -> None:
        self._stream = stream
        self._said = said
        self._may_end = may_end

    def run(self, over: threading.Event) -> None:
        self._said.append(f"begins {self._stream.input_topic}")
        over.wait(30)
        self._may_end.wait(30)
        self._said.append(f"ends {self._stream.input_topic}")


@pytest.mark.django_db
def test_servings_that_are_wanted_to_run_and_have_an_input_topic_are_asked(serving: Serving) -> None:
    assert streams() == set()
    Revision.objects.update(input_topic="in", output_topic="out")
    (found,) = streams()
    assert (found.serving, found.input_topic, found.output_topic) == ("iris", "in", "out")
    assert (found.group, found.dead_topic) == (serving.key, "in-dead")
    Revision.objects.update(output_topic="")
    assert {each.output_topic for each in streams()} == {""}
    Serving.objects.update(wanted_replicas=0)
    assert streams() == set()
    Serving.objects.update(wanted_replicas=1, is_deleted=True)
    assert streams() == set()


def test_a_lane_ends_before_another_one_of_its_serving_begins() -> None:
    said: list[str] = []
    may_end = threading.Event()
    lanes = Lanes(lambda stream: Recorded(stream, said, may_end))  # type: ignore[arg-type,return-value]
    lanes.follow({STREAM})
    edited = replace(STREAM, input_topic="other")
    lanes.follow({edited})
    lanes.follow({edited})
    assert said == ["begins in"]
    may_end.set()
    eventually(lambda: lanes.follow({edited}) or len(said) == 3)
    assert said == ["begins in", "ends in", "begins other"]
    lanes.close()
    assert said[-1] == "ends other"


def test_lanes_that_are_wanted_are_left_alone() -> None:
    said: list[str] = []
    over = threading.Event()
    over.set()
    lanes = Lanes(lambda stream: Recorded(stream, said, over))  # type: ignore[arg-type,return-value]
    other = replace(STREAM, serving_id=2, input_topic="second")
    lanes.follow({STREAM})
    lanes.follow({STREAM, other})
    eventually(lambda: len(said) == 2)
    lanes.follow({other})
    eventually(lambda: len(said) == 3)
    assert said == ["begins in", "begins second", "ends in"]
    lanes.close()
