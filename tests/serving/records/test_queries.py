"""Pages of calls: each call on one page, whatever its time, and no search that outlasts its reader."""

from collections.abc import Callable

import pytest

from serving.models import InferenceRecord, Serving
from serving.records import filters, queries
from serving.records.filters import Filters
from serving.records.queries import BadCursor, Page, Place
from tests.serving.records.conftest import NOON

Call = Callable[..., InferenceRecord]


def pages(serving: Serving, asked: Filters, *, size: int, seconds: float = 10) -> list[Page]:
    found = [queries.page(serving, asked, after=None, size=size, seconds=seconds)]
    while found[-1].next is not None:
        after = queries.place(str(found[-1].next))
        found.append(queries.page(serving, asked, after=after, size=size, seconds=seconds))
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["", "out = 1", "out >= 1"])
def test_every_call_is_on_one_page_also_of_those_at_the_same_moment(
    where: str, serving: Serving, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_STEP", 3)
    for number in range(11):
        more = {"requested_at": NOON} if number % 3 else {}
        call(fields={"in": {}, "out": {"": [1]}}, **more)
    in_order = list(serving.inference_records.order_by("-requested_at", "-id"))
    for size in (1, 2, 4, 11, 50):
        found = pages(serving, filters.parse({"where": where}), size=size)
        assert [record for page in found for record in page.records] == in_order
        assert all(page.searched_to is None for page in found)
        assert len(found) == -(-11 // size)


@pytest.mark.django_db
def test_a_search_that_takes_long_ends_and_says_how_far_it_came(
    serving: Serving, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_STEP", 4)
    for number in range(20):
        call(fields={"in": {}, "out": {"": [f"{'late' if number >= 18 else 'early'} {number}"]}})
    asked = filters.parse({"where": "out ~ late"})  # which no index answers
    first = queries.page(serving, asked, after=None, size=50, seconds=0)
    assert (first.records, first.searched_to) == (
        [],
        serving.inference_records.order_by("-requested_at")[3].requested_at,
    )
    found = pages(serving, asked, size=50, seconds=0)
    assert [record.fields["out"][""] for page in found for record in page.records] == [
        ["late 18"],
        ["late 19"],
    ]
    assert found[-1].searched_to is None


@pytest.mark.django_db
def test_a_full_page_is_not_searched_for_any_further(
    serving: Serving, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_STEP", 4)
    for _ in range(20):
        call(fields={"in": {}, "out": {"": [1]}})
    found = queries.page(serving, filters.parse({"where": "out > 0"}), after=None, size=3, seconds=0)
    assert (len(found.records), found.searched_to) == (3, None)


@pytest.mark.django_db
def test_calls_of_another_serving_are_never_found(serving: Serving, call: Call) -> None:
    stranger = Serving.objects.create(project=serving.project, name="other", port=1)
    theirs = call(serving=stranger)
    assert queries.page(serving, Filters(), after=None, size=5, seconds=1).records == []
    with pytest.raises(queries.NoSuchServing):
        queries.one(serving, theirs.pk)
    with pytest.raises(queries.NoSuchServing):
        queries.one(serving, 10**30)


@pytest.mark.parametrize(
    "text", ["x", "1", "-", "1-", "-1", "1-x", "²-1", "1" * 19 + "-1", "9" * 18 + "-1", "1-1-1"]
)
def test_a_wrong_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        queries.place(text)


def test_a_place_is_written_so_that_it_is_understood_again() -> None:
    place = Place(NOON.replace(microsecond=1), 7)
    assert queries.place(str(place)) == place
    assert queries.place("") is None
