"""Filters: what is understood, what is refused with a sentence, and which calls they mean."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from serving.models import InferenceRecord, Serving
from serving.records import conditions, filters, words
from serving.records.conditions import Condition
from serving.records.filters import BadFilters, Filters
from serving.records.literals import NotUnderstood
from tests.serving.records.conftest import NOON

Call = Callable[..., InferenceRecord]

BAD = {
    "period": ["2h", "15M", "forever"],
    "from": ["yesterday", "2026-13-01", "2026-02-30T10:00", "0001-01-01", "9999-12-31T23:59:59Z", "12:00"],
    "to": ["0001-01-01T00:00+14:00", "2026-11-21T25:00"],
    "status": ["ok", "6xx", "99", "1000", "²00", "2x", "٥٠٠"],
    "at_least_ms": ["fast", "-1", "nan", "inf", "1e99"],
    "at_most_ms": ["-0.1", "1 s"],
    "revision": ["0", "-1", "1.5", "²", "99999999999", "2147483648", "one"],
    "where": [
        "in.x",
        'in.a "b" = 1',
        "= 3",
        "in.x >",
        "in.x > true",
        "in.x > 3 or in.x < 1",
        "in.x > 3 and",
        "in.x = two words",
        "in.x > three",
        "in.x = 'a",
        "x = 1e999",
        'x = "\\q"',
        'x = "\\ud800"',
        'x = "\\u0000"',
    ],
    "key": ["a\0b"],
    "replica": ["\ud800"],
    "request_id": [{"a": 1}, ["a"], True],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_wrong_filter_is_refused_with_a_sentence_at_its_name(name: str, value: Any) -> None:
    with pytest.raises(BadFilters) as refused:
        filters.parse({name: value, "verb": "predict"})
    assert list(refused.value.errors) == [name]
    assert refused.value.errors[name].strip().endswith((".", "60"))
    assert refused.value.status == 400


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadFilters) as refused:
        filters.parse({"revision": "x", "status": "y", "colour": "red"})
    assert list(refused.value.errors) == ["status", "revision", "colour"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"from": "2026-11-21T10:00", "to": "2026-11-21T10:00"}, "to"),
        ({"at_least_ms": "5", "at_most_ms": "4"}, "at_most_ms"),
    ],
)
def test_what_no_call_can_fit_is_refused(said: dict[str, str], name: str) -> None:
    with pytest.raises(BadFilters) as refused:
        filters.parse(said)
    assert list(refused.value.errors) == [name]


def test_what_is_empty_restricts_nothing() -> None:
    assert filters.parse(dict.fromkeys(words.READERS, " ")) == Filters()
    assert Filters().words == {}


def test_times_are_utc_unless_they_say_otherwise_and_a_last_day_is_a_whole_one() -> None:
    found = filters.parse({"from": "2026-11-21T12:00+02:00", "to": "2026-11-21"})
    assert found.since == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert found.until == datetime(2026, 11, 22, tzinfo=UTC)


def test_times_count_instead_of_a_period() -> None:
    assert filters.parse({"period": "1h", "from": "2026-11-21"}) == filters.parse({"from": "2026-11-21"})


def test_filters_of_an_address_hold_every_condition() -> None:
    found = filters.parse(QueryDict("where=in.x>1&where=out = 2&status=200&status=5XX"))
    assert [str(each) for each in found.where] == ["in.x > 1", "out = 2"]
    assert found.status == "5xx"


def test_conditions_that_are_given_one_by_one_are_whole_by_themselves() -> None:
    for said in ("where=in.x = 'a&where=in.y = b'", "where=in.x = 1 and&where=in.y = 1"):
        with pytest.raises(BadFilters) as refused:
            filters.parse(QueryDict(said))
        assert list(refused.value.errors) == ["where"]


TEXTS = {
    "in.sepal_length > 5": Condition(("in",), "sepal_length", ">", 5),
    "out=1": Condition(("out",), "", "=", 1),
    "in.0 >= 4.5": Condition(("in",), "0", ">=", 4.5),
    "name ~ 12": Condition(("in", "out"), "name", "~", "12"),
    "in.sepal length (cm) < 2e1": Condition(("in",), "sepal length (cm)", "<", 20.0),
    'out."a = b" != "x and y"': Condition(("out",), "a = b", "!=", "x and y"),
    'in.id = "7"': Condition(("in",), "id", "=", "7"),
    "in.'a b' < '7'": Condition(("in",), "a b", "<", "7"),
    "in.seen == true": Condition(("in",), "seen", "=", True),
    "outer.x = null": Condition(("in", "out"), "outer.x", "=", None),
    "in.id = 9007199254740993": Condition(("in",), "id", "=", 9007199254740993),
}


@pytest.mark.parametrize(("text", "meant"), TEXTS.items())
def test_a_condition_is_understood_and_written_so_that_it_is_understood_again(
    text: str, meant: Condition
) -> None:
    assert conditions.parse(text) == (meant,)
    assert conditions.parse(str(meant)) == (meant,)


def test_conditions_are_joined_by_and() -> None:
    found = conditions.parse('in.x > 1 AND in.y = "a and b" and  out ~ c')
    assert [each.value for each in found] == [1, "a and b", "c"]


def test_there_are_not_endlessly_many_conditions() -> None:
    with pytest.raises(NotUnderstood):
        conditions.parse(" and ".join(["in.x > 1"] * 11))
    with pytest.raises(NotUnderstood):
        conditions.parse("in.x = " + "y" * 3000)


@given(
    st.dictionaries(st.sampled_from(list(words.READERS)), st.text(max_size=40) | st.floats() | st.integers())
)
def test_whatever_is_said_is_understood_or_refused(said: dict[str, Any]) -> None:
    wrong: set[str] = set()
    try:
        found = filters.parse(said)
        again = filters.parse(found.words)
    except BadFilters as refused:
        wrong, found, again = set(refused.errors), Filters(), Filters()
    assert wrong <= said.keys()
    assert again == found


@given(
    st.builds(
        Condition,
        st.sampled_from([("in",), ("out",)]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
        st.sampled_from(["=", "!="]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
        | st.integers(-(2**63) + 1, 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.booleans()
        | st.none(),
    )
)
def test_any_condition_is_written_so_that_it_is_understood_again(condition: Condition) -> None:
    assert conditions.parse(str(condition)) == (condition,)


def found(serving: Serving, **said: str) -> list[str]:
    meant = filters.apply(serving.inference_records.all(), filters.parse(said))
    return sorted(meant.values_list("request_id", flat=True))


@pytest.mark.django_db
def test_calls_are_found_by_each_of_their_columns(serving: Serving, call: Call) -> None:
    call(request_id="a", status=500, duration_us=900, revision=2, key_id="k1", verb="infer", protocol="v2")
    call(request_id="b", status=503, duration_us=1000, replica="r1-1-1")
    call(request_id="c", status=404, duration_us=2000)
    call(request_id="d", status=200, duration_us=3000, requested_at=NOON)
    assert found(serving, status="5xx") == ["a", "b"]
    assert found(serving, status="failed") == ["a", "b", "c"]
    assert found(serving, status="503") == ["b"]
    assert found(serving, at_least_ms="1", at_most_ms="2") == ["b", "c"]
    assert found(serving, at_least_ms="0.9001") == ["b", "c", "d"]
    assert found(serving, revision="2") == found(serving, key="k1") == found(serving, verb="infer") == ["a"]
    assert found(serving, protocol="v2", request_id="a") == ["a"]
    assert found(serving, replica="r1-1-1") == ["b"]
    assert found(serving, **{"from": "2026-11-21T12:00"}) == ["d"]
    assert found(serving, to="2026-11-21T12:00:00Z") == ["a", "b", "c"]
    assert found(serving, period="1h") == []


@pytest.mark.django_db
def test_a_period_ends_now_and_stays_what_it_was_once_it_is_frozen(serving: Serving, call: Call) -> None:
    call(request_id="old", requested_at=NOON - timedelta(hours=1, seconds=1))
    call(request_id="new", requested_at=NOON - timedelta(minutes=59))
    asked = filters.parse({"period": "1h"})
    records = serving.inference_records.all()
    assert [each.request_id for each in filters.apply(records, asked, now=NOON)] == ["new"]
    frozen = filters.parse(asked.at(NOON).words)
    assert [each.request_id for each in filters.apply(records, frozen)] == ["new"]


VALUES = {
    "in.x > 5": ["b"],
    "in.x >= 5": ["a", "b"],
    "in.x = 5": ["a", "text"],
    "in.x = 5.0": ["a"],
    'in.x = "5"': ["text"],
    "in.x != 5": ["b"],
    "in.x < 8 and in.x > 6": ["b"],
    "in.x > 6 and in.x < 6": ["b"],  # one row fits the one, another the other
    "x >= 5": ["a", "b"],
    "out = setosa": ["a"],
    'out > "t"': ["b"],
    "out > 't' and out ~ 'GINI'": ["b"],
    "'x' = '5'": ["text"],
    "out ~ TOS": ["a"],
    "out ~ %": ["percent"],
    "out ~ .*": [],
    "in.ok = true": ["a"],
    "in.ok = null": ["b"],
    "in.ok != null": ["a"],
    "in.none = 1": [],
    'in."a \\"b.\'c" = 1': ["odd"],
    "in.id = 9007199254740993": ["odd"],
    "in.id = 9007199254740992": [],
    "in.x > -1e300": ["a", "b"],
}


@pytest.mark.django_db
@pytest.mark.parametrize(("where", "expected"), VALUES.items())
def test_calls_are_found_by_their_values(
    where: str, expected: list[str], serving: Serving, call: Call
) -> None:
    call(request_id="a", fields={"in": {"x": [5], "ok": [True]}, "out": {"": ["setosa"]}})
    call(request_id="b", fields={"in": {"x": [5.5, 7], "ok": [None]}, "out": {"": ["virginica"]}})
    call(request_id="text", fields={"in": {"x": ["5"]}, "out": {}})
    call(request_id="percent", fields={"in": {}, "out": {"": ["100%"]}})
    call(request_id="odd", fields={"in": {"a \"b.'c": [1], "id": [9007199254740993]}, "out": {}})
    call(request_id="none", fields={})
    assert found(serving, where=where) == expected
