"""Conditions as people write them, however they write them."""

import contextlib
import signal
from collections.abc import Iterator

import pytest

from serving.records import conditions


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
    ],
    ids=range(5),
)
@pytest.mark.usefixtures("in_a_second")
def test_no_text_takes_long_to_read(text: str) -> None:
    with contextlib.suppress(conditions.NotUnderstood):
        assert conditions.parse(text)


def test_blanks_count_once_except_in_quotes() -> None:
    (found,) = conditions.parse('in.name \t =   "two  blanks"')
    assert (found.name, found.value) == ("name", "two  blanks")
    (found,) = conditions.parse("in.name = two   words")
    assert found.value == "two words"
