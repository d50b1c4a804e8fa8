"""Charts: nothing is lost between the pieces, and percentiles are near the true ones."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from math import floor, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.models import InferenceRecord, Serving
from serving.records import charts, filters
from tests.serving.records.conftest import NOON

Call = Callable[..., InferenceRecord]


def bins(durations_us: list[int]) -> Counter[int]:
    return Counter(floor(log(each) / log(charts.GROWTH)) for each in durations_us)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=300), st.sampled_from(charts.PERCENTILES))
def test_a_percentile_is_within_a_tenth_of_the_true_one(durations_us: list[int], percent: int) -> None:
    exact = sorted(durations_us)[max(0, -(-len(durations_us) * percent // 100) - 1)] / 1000
    found = charts.percentile(bins(durations_us), percent)
    assert found is not None
    assert exact / 1.1001 <= found <= exact * 1.1001


def test_without_calls_there_is_no_percentile() -> None:
    assert charts.percentile(Counter(), 50) is None


@given(st.floats(0, 10**9))
def test_there_are_never_too_many_pieces(seconds: float) -> None:
    assert seconds / charts.width_for(seconds) <= charts.MOST_PIECES - 1


@pytest.mark.django_db
def test_every_call_is_in_one_piece_and_pieces_without_calls_are_there(serving: Serving, call: Call) -> None:
    chance = random.Random(7)
    for _ in range(80):
        call(
            requested_at=NOON - timedelta(seconds=chance.choice([1, 2, 3000, 3590])),
            status=chance.choice([200, 200, 404, 500]),
            duration_us=chance.randrange(1, 10**6),
        )
    chart = charts.draw(serving, filters.parse({}))
    assert chart.width_seconds == 300
    assert chart.calls == sum(piece.calls for piece in chart.pieces) == 80
    starts = [piece.start for piece in chart.pieces]
    assert starts == [starts[0] + timedelta(seconds=300 * number) for number in range(len(starts))]
    assert {piece.calls == 0 for piece in chart.pieces} == {True, False}
    assert chart.whole is not None
    assert chart.whole.classes == Counter(
        f"{status // 100}xx" for status in serving.inference_records.values_list("status", flat=True)
    )
    durations = list(serving.inference_records.values_list("duration_us", flat=True))
    assert chart.whole.latency_ms[95] == charts.percentile(bins(durations), 95)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "durations_us", [[2_002_000], [0], [17, 17], [900, 2_002_000, 2_001_000], [*range(1, 40)]]
)
def test_no_percentile_is_beyond_the_slowest_or_quickest_call(
    durations_us: list[int], serving: Serving, call: Call
) -> None:
    for number, duration_us in enumerate(durations_us):
        call(requested_at=NOON, duration_us=duration_us, status=[200, 500][number % 2])
    call(requested_at=NOON - timedelta(minutes=30), duration_us=5_000_000)
    chart = charts.draw(serving, filters.parse({}))
    *_, piece = [each for each in chart.pieces if each.calls]
    assert piece.calls == len(durations_us)
    for took in piece.latency_ms.values():
        assert took is not None
        assert min(durations_us) / 1000 <= took <= max(durations_us) / 1000
    assert chart.whole is not None
    assert chart.whole.latency_ms[99] == pytest.approx(5000, rel=0.1)
    assert max(filter(None, chart.whole.latency_ms.values())) <= 5000


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60))
def test_percentiles_grow_and_stay_near_the_true_ones_between_the_ends(durations_us: list[int]) -> None:
    rows = [charts.Counted(0, 2, *bins([max(each, 1)]).keys(), 1, each, each) for each in durations_us]
    (piece,) = charts.chart_of(rows, first=0, last=0, width=60).pieces
    found = [each for each in piece.latency_ms.values() if each is not None]
    assert found == sorted(found)
    assert min(durations_us) / 1000 <= found[0] <= found[-1] <= max(durations_us) / 1000
    for percent, took in zip(charts.PERCENTILES, found, strict=True):
        exact = sorted(durations_us)[max(0, -(-len(durations_us) * percent // 100) - 1)] / 1000
        assert exact / 1.1001 <= took <= max(exact, 0.001) * 1.1001


@pytest.mark.django_db
def test_a_chart_has_the_calls_that_the_filters_mean(serving: Serving, call: Call) -> None:
    call(status=500, fields={"in": {"x": [1]}, "out": {}})
    call(status=200, fields={"in": {"x": [2]}, "out": {}})
    call(status=500, requested_at=NOON - timedelta(days=3))
    asked = filters.parse(
        {"status": "5xx", "where": "in.x < 2", "from": "2026-11-21T11:00", "to": "2026-11-21T13:00"}
    )
    chart = charts.draw(serving, asked)
    assert (chart.calls, chart.classes) == (1, ["2xx", "5xx"])
    assert chart.pieces[0].start == NOON - timedelta(hours=1)
    assert charts.draw(serving, filters.parse({"status": "404"})).whole is None


@pytest.mark.django_db
def test_a_serving_without_calls_has_an_empty_chart(serving: Serving) -> None:
    chart = charts.draw(serving, filters.parse({}))
    assert (chart.calls, chart.pieces, chart.whole) == (0, [], None)
