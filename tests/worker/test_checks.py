"""What a pre-flight's process reports is a stranger's word, and what its end means for the list."""

import pytest

from worker import checks
from worker.checks import Check
from worker.failures import Failure

GOOD = {"name": "loads", "title": "The model loads", "state": "passed", "sentence": "It did.", "seconds": 0.5}


def test_a_report_is_read() -> None:
    (found,) = checks.reported({"checks": [GOOD]})
    assert found == Check("loads", "The model loads", "passed", "It did.", seconds=0.5)


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        {"checks": {"loads": GOOD}},
        {"checks": ["passed"]},
        {"checks": [{**GOOD, "state": {"a": 1}}]},
        {"checks": [{**GOOD, "state": "splendid"}]},
        {"checks": [{**GOOD, "name": "<script>"}]},
        {"checks": [{**GOOD, "sentence": ["x"]}]},
        {"checks": [{"name": "loads"}]},
    ],
)
def test_what_is_no_report_counts_as_nothing(said: dict[str, object] | None) -> None:
    assert checks.reported(said) == []
    assert not checks.is_complete(checks.reported(said))


def test_what_is_too_long_is_cut_and_what_is_unknown_is_left_out() -> None:
    (found,) = checks.reported({"checks": [{**GOOD, "sentence": "x" * 10**6, "owner": "root"}]})
    assert len(found.sentence) == checks.LONGEST["sentence"]
    assert len(checks.reported({"checks": [GOOD] * 10_000})) == checks.MOST_CHECKS


@pytest.mark.parametrize("state", ["running", "waiting"])
def test_a_list_with_something_open_is_not_complete(state: str) -> None:
    assert not checks.is_complete([Check("a", "A", "passed"), Check("b", "B", state)])
    assert checks.is_complete([Check("a", "A", "passed"), Check("b", "B", "skipped")])


def test_the_check_that_ran_has_failed_and_the_rest_is_skipped() -> None:
    found = [Check("a", "A", "passed"), Check("b", "B", "running"), Check("c", "C", "waiting")]
    after = checks.broken_off(found, Failure("OutOfMemory", "Too much."))
    assert [(each.state, each.code) for each in after] == [
        ("passed", ""),
        ("failed", "OutOfMemory"),
        ("skipped", ""),
    ]
    assert after[2].sentence == "Skipped because “B” failed."


def test_an_end_between_two_checks_is_a_failure_too() -> None:
    after = checks.broken_off(
        [Check("a", "A", "passed"), Check("b", "B", "waiting")], Failure("Lost", "Gone.")
    )
    assert [each.state for each in after] == ["passed", "skipped", "failed"]
