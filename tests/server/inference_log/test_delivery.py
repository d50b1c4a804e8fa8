"""Values go to a sink or the spill, and each is counted once, whatever the sink does."""

from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hopyard.server.inference_log.shipping.delivery import HEAD_BYTES, MOST_HELD_BYTES, Delivery
from hopyard.server.inference_log.sinks import SLOW_SECONDS, Parcel
from hopyard.server.inference_log.spill import Spill


class Moody:
    """A sink that does with its next parcels what it is told: take, fail, refuse, half, break, or keep for later."""

    name = "the sink"
    slow_seconds = SLOW_SECONDS

    def __init__(self) -> None:
        self.mood = "take"
        self.has: list[bytes] = []
        self.kept: list[Parcel] = []

    def send(self, parcel: Parcel) -> None:
        values, middle = list(parcel.values), len(parcel.values) // 2
        if self.mood == "break":
            raise RuntimeError("a mistake")
        if self.mood == "keep":
            self.kept.append(parcel)
        elif self.mood == "refuse":
            parcel.refuse(len(values), "too odd")
        elif self.mood == "fail":
            parcel.fail(values, "it is closed")
        elif self.mood == "half":
            self._take(parcel, values[:middle])
            parcel.fail(values[middle:], "it is closing")
        else:
            self._take(parcel, values)

    def poll(self, seconds: float) -> None:
        """Whatever was kept is taken once the mood is better."""
        if self.mood == "take":
            for parcel in self.kept:
                self._take(parcel, list(parcel.values))
            self.kept.clear()

    def give_up(self) -> None:
        for parcel in self.kept:
            parcel.fail(parcel.values, "it was never answered")
        self.kept.clear()

    def close(self) -> None: ...

    def _take(self, parcel: Parcel, values: list[bytes]) -> None:
        self.has += values
        parcel.deliver(len(values))


class Scene:
    def __init__(self, folder, most_bytes=1_000_000) -> None:
        self.now = 100.0
        self.sink = Moody()
        self.taken: list[int] = []
        self.given: list[bytes] = []
        self.spill = Spill(folder, "r1", most_bytes)
        self.delivery = Delivery(self.sink, self.spill, taken=self.taken.append, clock=lambda: self.now)

    def give(self, count=4):
        values = [b"%d" % number for number in range(len(self.given), len(self.given) + count)]
        self.given += values
        self.delivery.take(values, len(self.given))
        self.delivery.tick()

    def later(self, seconds):
        self.now += seconds
        self.delivery.tick()

    @property
    def counts(self):
        return {**asdict(self.delivery.counts), "waiting": self.delivery.waiting}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_what_fails_is_spilled_and_delivered_when_the_sink_is_back(scene, caplog):
    scene.sink.mood = "fail"
    scene.give()
    scene.give()
    assert scene.counts == {"sent": 0, "spilled": 8, "dropped": 0, "waiting": 8}
    assert scene.taken == [4, 8]
    scene.later(0.1)
    scene.sink.mood = "take"
    scene.later(0.1)
    assert scene.sink.has == [], "it is not asked at every look"
    scene.later(3)
    scene.later(0)
    assert sorted(scene.sink.has) == sorted(scene.given)
    assert scene.counts == {"sent": 8, "spilled": 8, "dropped": 0, "waiting": 0}


def test_new_values_go_beside_the_spilled_ones_once_the_sink_is_back(scene):
    scene.sink.mood = "fail"
    for _ in range(100):
        scene.give()
    scene.sink.mood = "take"
    scene.later(3)
    scene.later(0)
    before = scene.counts["waiting"]
    scene.give()
    assert scene.counts["spilled"] == 400
    assert scene.given[-1] in scene.sink.has
    assert before < 400


def test_a_batch_is_taken_once_it_is_safe_and_a_sink_that_is_slow_holds_up_no_others(scene):
    scene.sink.mood = "keep"
    scene.give()
    scene.later(SLOW_SECONDS + 0.01)
    assert scene.delivery.is_away
    assert scene.taken == [], "it is in our memory alone"
    scene.give()
    assert scene.taken == [8], "it is in a file"
    assert scene.counts == {"sent": 0, "spilled": 4, "dropped": 0, "waiting": 4}
    scene.sink.mood = "take"
    for _ in range(3):
        scene.later(0)
    assert scene.counts == {"sent": 8, "spilled": 4, "dropped": 0, "waiting": 0}
    assert scene.taken == [8, 4]


def test_what_is_under_way_is_bounded_and_the_rest_goes_through_files(tmp_path, caplog):
    scene = Scene(tmp_path, most_bytes=10**9)
    scene.sink.mood = "keep"
    half = [b"x" * (MOST_HELD_BYTES // 2 - HEAD_BYTES)]
    for number in (1, 2, 3):
        scene.delivery.take(half, number)
    scene.delivery.take([b"small"], 4)
    assert scene.taken == [3, 4]
    assert scene.counts == {"sent": 0, "spilled": 2, "dropped": 0, "waiting": 2}
    assert "the sink takes records more slowly than they come" in caplog.text
    assert not scene.delivery.is_away
    scene.sink.mood = "take"
    for _ in range(3):
        scene.later(0)
    scene.delivery.take([b"more"], 5)
    scene.later(0)
    assert scene.counts == {"sent": 5, "spilled": 2, "dropped": 0, "waiting": 0}


def test_a_sinks_own_mistake_is_a_failure_like_others(scene):
    scene.sink.mood = "break"
    scene.give()
    assert scene.counts["spilled"] == 4


@pytest.mark.parametrize("is_kept", [True, False])
def test_at_the_end_what_is_under_way_is_spilled_or_dropped(scene, is_kept):
    scene.sink.mood = "keep"
    scene.give()
    scene.delivery.finish(0, is_kept=is_kept)
    left = 4 if is_kept else 0
    assert scene.counts == {"sent": 0, "spilled": 4, "dropped": 4 - left, "waiting": left}
    assert scene.taken == [4]


STEPS = st.lists(
    st.sampled_from(["take", "fail", "refuse", "half", "break", "keep", "give", "give", "wait"]), max_size=40
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS, most_bytes=st.sampled_from([200, 1_000_000]), is_kept=st.booleans())
def test_whatever_the_sink_does_each_value_is_counted_once_and_each_batch_taken(
    tmp_path_factory, steps, most_bytes, is_kept
):
    scene = Scene(tmp_path_factory.mktemp("spill"), most_bytes)
    batches = 0
    for step in steps:
        if step == "give":
            scene.give()
            batches += 1
        elif step == "wait":
            scene.later(0.7)
        else:
            scene.sink.mood = step
    scene.delivery.finish(0, is_kept=is_kept)
    counts = scene.counts
    assert counts["sent"] + counts["dropped"] + counts["waiting"] == len(scene.given)
    assert counts["sent"] == len(scene.sink.has) == len(set(scene.sink.has))
    assert len(scene.taken) == len(set(scene.taken)) == batches
    if not is_kept:
        assert counts["waiting"] == 0
    scene.spill.close()
