"""Which servings are asked through topics, and that lanes come and go with them."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import InterfaceError

from serving.models import Revision, Serving
from tests.waiting import eventually
from worker.management.commands import stream
from worker.streaming.askers import Askers
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


class Dying:
    """A lane whose thread ends by itself."""

    def __init__(self, begun: list[int]) -> None:
        self._begun = begun

    def run(self, over: threading.Event) -> None:
        self._begun.append(1)


def test_a_lane_that_has_ended_by_itself_is_begun_again() -> None:
    begun: list[int] = []
    lanes = Lanes(lambda stream: Dying(begun))  # type: ignore[arg-type,return-value]
    eventually(lambda: lanes.follow({STREAM}) or len(begun) > 2)
    lanes.close()


def test_a_lane_that_cannot_be_begun_keeps_no_other_from_it() -> None:
    said: list[str] = []
    over = threading.Event()
    over.set()
    fails = [True]

    def make(stream: Stream) -> Recorded:
        if stream == STREAM and fails:
            raise RuntimeError("can't start new thread")
        return Recorded(stream, said, over)

    lanes = Lanes(make)  # type: ignore[arg-type]
    others = {replace(STREAM, serving_id=number, input_topic=f"in-{number}") for number in (2, 3)}
    lanes.follow({STREAM, *others})
    eventually(lambda: len(said) == 2)
    fails.clear()
    lanes.follow({STREAM, *others})
    eventually(lambda: "begins in" in said)
    lanes.close()


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", [InterfaceError("closed"), OSError("full"), LookupError("no revision")])
def test_whatever_goes_wrong_with_a_look_the_lanes_go_on(
    trouble: Exception, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR = tmp_path
    said: list[str] = []
    over = threading.Event()
    over.set()
    lanes = Lanes(lambda stream: Recorded(stream, said, over))  # type: ignore[arg-type,return-value]

    def fail() -> set[Stream]:
        raise trouble

    monkeypatch.setattr(stream, "streams", lambda: {STREAM})
    stream.look(lanes)
    assert (tmp_path / "streamer-alive").exists()
    monkeypatch.setattr(stream, "streams", fail)
    stream.look(lanes)
    eventually(lambda: said)
    assert list(lanes.at_work) == [STREAM]
    lanes.close()


def test_a_thread_that_cannot_be_started_is_not_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    askers = Askers(2, name="asker")
    done: list[str] = []
    may_end = threading.Event()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            askers.put(lambda: done.append("never"))
    askers.put(lambda: may_end.wait(10) and done.append("first"))  # type: ignore[func-returns-value,arg-type]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        askers.put(lambda: done.append("second"))
    askers.put(lambda: done.append("third"))
    eventually(lambda: "second" in done and "third" in done)
    may_end.set()
    eventually(lambda: len(done) == 3)
    askers.close()


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
