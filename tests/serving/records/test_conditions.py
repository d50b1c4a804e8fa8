"""Conditions as people write them, however they write them."""

import contextlib
import json
import signal
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.records import conditions
from serving.records.conditions import Condition
from serving.records.literals import NotUnderstood

PIECES = ["in.", "out", "x", "o'k", "3", "-.5e1", "true", *"'\"\\=<>!~ ", " and ", " or ", "\n", "''", ">="]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
HARD_TEXTS = TEXTS | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@pytest.fixture
def in_a_second() -> Iterator[None]:
    """Fails what takes longer: an expression whose cost explodes would take half a minute."""

    def too_long(*_: object) -> None:
        raise TimeoutError("the conditions were not read within a second")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "text",
    [
        "in." + " " * 1900 + "b",
        "x = a" + " " * 1900 + "b",
        '"' * 1999,
        "x = " + "and " * 480,
        "x" + "=" * 1990,
        "in" + " " * 990 + "." + " " * 990 + "b",
        "in.a'b" + " " * 1900 + "c'd",
        "x = '" + "\\'" * 990,
        "'\"" * 990,
        "x = 1 and" + " " * 1900 + "b",
        "a " * 990,
    ],
    ids=range(11),
)
@pytest.mark.usefixtures("in_a_second")
def test_no_text_takes_long_to_read(text: str) -> None:
    with contextlib.suppress(conditions.NotUnderstood):
        assert conditions.parse(text)


NONSENSE = {
    "in.x > 3 or in.x < 1": "all of them must hold",
    "in.x = 3 OR 4": "all of them must hold",
    "in.x > 3 || in.x < 1": "all of them must hold",
    "in.x > 3 and": "no condition after “in.x > 3 and”",
    "in.x > 3 and in.y = 1 AND  ": "no condition after “in.y = 1 AND”",
    "in.x > 3 and and out = 1": "“and out” is",
    "and in.x > 3": "“and in.x” is",
    "not in.x > 3": "“not in.x” is",
    "in.x and in.y > 3": "“x and in.y” is",
    "in.x or in.y > 3": "“x or in.y” is",
    "in.x > 3 and in.y": "“in.y” is no condition",
    "in.x > 3 in.y < 1": "“in.y < 1” cannot stand after “in.x > 3”",
    "in.x > 3 && in.y < 1": "“&& in.y < 1” cannot stand after",
    "in.x = two words": "“words” cannot stand after",
    "out ~ two words": "“words” cannot stand after",
    "in.x = a=b": "“=b” cannot stand after",
    "in.x => 3": "“> 3” cannot stand after",
    "in.x <> 3": "“> 3” cannot stand after",
    'in.x = a"b"': "cannot stand after",
    "in.x = 'it's'": "“s'” cannot stand after",
    'in.x = "a"b': "“b” cannot stand after",
    "in.x = and": "no value after “in.x =”",
    "in.x = and in.y = 1": "no value after “in.x =”",
    "in.x > three": "“three” is no number",
    "in.x >= 2026-01-01": "“2026-01-01” is no number",
    "in.x < 1,5": "“1,5” is no number",
    "3 < in.x": "“in.x” is no number",
    "in.x <= nan": "“nan” is no number",
    "in.x > null": "neither more nor less",
    "in.x = 'abc": "is not closed",
    'in.x = "abc': "is not closed",
    "in.x = 'abc\\'": "is not closed",
    "in.x > '": "is not closed",
    "in.'a b = 1": "is not closed",
    'in."a b = 1': "is not closed",
    "in.x = 1 and 'a b = 1": "is not closed",
    "in.x = 'a\\q'": "is no text in quotes",
}


@pytest.mark.parametrize(("text", "sentence"), NONSENSE.items())
def test_nonsense_is_refused_with_what_to_do(text: str, sentence: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        conditions.parse(text)
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "sides", "name", "value"),
    [
        ("in.name = 'a b'", ("in",), "name", "a b"),
        ("in.'a b'='x and y'", ("in",), "a b", "x and y"),
        ("'a = b' = 1", ("in", "out"), "a = b", 1),
        ("out = 'say \"hi\"'", ("out",), "", 'say "hi"'),
        (r"out = 'it\'s'", ("out",), "", "it's"),
        (r'out = "it\'s"', ("out",), "", "it's"),
        (r"out = 'a\\b\u00e9\n\"'", ("out",), "", 'a\\bé\n"'),
        ("out = ''", ("out",), "", ""),
        ("in.id = '7'", ("in",), "id", "7"),
        ("in.id > '7'", ("in",), "id", "7"),
        ("in.name = O'Brien", ("in",), "name", "O'Brien"),
        ("in.patient's age > 3", ("in",), "patient's age", 3),
        ("in.state = OR", ("in",), "state", "OR"),
        ("in.'salt and pepper' = 1", ("in",), "salt and pepper", 1),
        ("in.and = 1", ("in",), "and", 1),
        ("in.at = 2026-01-01T10:00", ("in",), "at", "2026-01-01T10:00"),
        ("out ~ .*", ("out",), "", ".*"),
    ],
)
def test_single_quotes_are_quotes_and_simple_words_need_none(
    text: str, sides: tuple[str, ...], name: str, value: object
) -> None:
    (found,) = conditions.parse(text)
    assert (found.sides, found.name, found.value) == (sides, name, value)
    assert conditions.parse(str(found)) == (found,)


def in_single_quotes(text: str) -> str:
    return "'" + json.dumps(text)[1:-1].replace("'", "\\'") + "'"


@given(HARD_TEXTS, HARD_TEXTS, st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "~"]))
def test_a_text_means_the_same_in_quotes_of_either_kind(name: str, value: str, operator: str) -> None:
    meant = (Condition(("out",), name, operator, value),) * 2
    double = f"out.{json.dumps(name)} {operator} {json.dumps(value)}"
    single = f"out.{in_single_quotes(name)}{operator}{in_single_quotes(value)}"
    assert conditions.parse(f"{double} and {single}") == meant


@given(
    st.lists(
        st.builds(
            Condition,
            st.sampled_from([("in",), ("out",)]),
            HARD_TEXTS,
            st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "~"]),
            HARD_TEXTS,
        ),
        min_size=1,
        max_size=4,
    )
)
@example([Condition(("in",), "salt and pepper", ">", "t"), Condition(("in",), "x", "=", "and")])
@example([Condition(("out",), "", "=", "AND"), Condition(("in",), "And or", "~", "And")])
@example([Condition(("out",), "", "=", "1e999"), Condition(("out",), "", "~", "9" * 400)])
@example([Condition(("out",), "", "=", "12"), Condition(("out",), "", "~", "true")])
def test_conditions_are_written_so_that_they_are_understood_again(meant: list[Condition]) -> None:
    assert conditions.parse(" and ".join(map(str, meant))) == tuple(meant)


@given(st.lists(st.sampled_from([each for each in PIECES if each not in "'\"\\"]), max_size=14).map("".join))
def test_without_quotes_a_text_is_one_word_and_only_numbers_are_more_or_less(text: str) -> None:
    with contextlib.suppress(NotUnderstood):
        for found in conditions.parse(text):
            assert not isinstance(found.value, str) or not set(found.value) & set(" \n=<>!~")
            assert found.operator[0] not in "<>" or type(found.value) in {int, float}


@pytest.mark.parametrize(
    "first", ["in.x = 3", "in.x > -.5e1", "in.x = a", "in.x = 'a b'", 'out ~ "c"', "in.a b < 2"]
)
@given(rest=st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_what_follows_a_condition_is_another_or_refused(first: str, rest: str) -> None:
    (alone,) = conditions.parse(first)
    with contextlib.suppress(NotUnderstood):
        found = conditions.parse(f"{first} {rest}")
        assert found[0] == alone
        assert len(found) > 1 or not rest.strip()


def test_blanks_count_once_except_in_quotes() -> None:
    (found,) = conditions.parse('in.name \t =   "two  blanks"')
    assert (found.name, found.value) == ("name", "two  blanks")
    (found,) = conditions.parse("in.two \n  words  =  1")
    assert found.name == "two words"
