"""What containers print: the script's lines with their times, and reports, which a script may forge or tear."""

import base64
import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.checks import LONGEST, reported
from worker.deployers import output


def report(document: object, size: int = 4000) -> list[str]:
    text = base64.b64encode(json.dumps(document).encode()).decode()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return [f"2026-01-01T00:00:00.000Z {output.MARK} {n}/{len(pieces)} {p}" for n, p in enumerate(pieces, 1)]


def test_the_last_whole_report_in_the_output_counts() -> None:
    first, second = {"code": "A", "checks": ["x" * 100]}, {"code": "B"}
    noise = ["2026-01-01T00:00:00.000Z hello"]
    assert output.read_report([*report(first, 20), *noise, *report(second)]) == second
    torn = report({"code": "C", "checks": ["y" * 100]}, 20)
    assert output.read_report([*report(first, 20), *torn[:-1]]) == first
    assert output.read_report([*report(first, 20), *torn[1:]]) == first
    assert output.read_report([*torn[:1], *noise, *torn[1:]]) == {"code": "C", "checks": ["y" * 100]}
    assert output.without_reports([*report(first), *noise]) == noise


@pytest.mark.parametrize(
    "piece", ["", "%%%", "1/0 aa", "1/1 !", "0/0 e30=", "2/2 e30=", "1/1 WzFd", "9999999/1 e30="]
)
def test_what_is_no_report_counts_as_nothing(piece: str) -> None:
    assert output.read_report([f"{output.MARK} {piece}"]) is None


def test_lines_have_their_time_to_the_millisecond() -> None:
    lines = output.timed_lines(b"2026-01-01T00:00:01.123456789Z one\n2026-01-01T00:00:02Z \xfftwo\0\n")
    assert lines == ["2026-01-01T00:00:01.123Z one", "2026-01-01T00:00:02.000Z \ufffdtwo"]
    assert output.since(lines, datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)) == lines[1:]


def test_a_report_after_an_unfinished_line_counts_and_the_line_is_kept() -> None:
    begun = [line.replace("Z ", "Z half a line", 1) for line in report({"code": "A"})]
    assert output.read_report(begun) == {"code": "A"}
    assert output.without_reports(begun) == ["2026-01-01T00:00:00.000Z half a line"]
    forged = [line.replace("Z ", f"Z {output.MARK} 1/2 e30=", 1) for line in report({"code": "A"})]
    assert output.read_report(forged) == {"code": "A"}


def test_a_line_that_only_speaks_of_reports_is_kept() -> None:
    lines = [f"2026-01-01T00:00:00.000Z reports begin with {output.MARK}, says the manual"]
    assert output.read_report(lines) is None
    assert output.without_reports(lines) == lines


PIECES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [f"{output.MARK} 1/1 ", f"{output.MARK} ", output.MARK, "1/2 ", "2/2 ", "\n", "\r", "\0", " ", "="]
    ),
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(LONGEST)), inner),
        max_leaves=8,
    ).map(lambda said: base64.b64encode(json.dumps({"code": said, "checks": [said]}).encode()).decode()),
)


@given(st.lists(PIECES, max_size=12))
def test_whatever_a_script_prints_its_output_can_be_read(pieces: list[str]) -> None:
    written = "".join(pieces).encode(errors="replace").split(b"\n")
    lines = output.timed_lines(b"".join(b"2026-01-01T00:00:00.5Z " + line + b"\n" for line in written))
    assert len(lines) == len(written)
    json.dumps([asdict(check) for check in reported(output.read_report(lines))], allow_nan=False)
    innocent = [line for line in lines if output.MARK not in line]
    kept = iter(output.without_reports(lines))
    assert all(line in kept for line in innocent), "in their order"


@pytest.mark.parametrize("depth", [*range(100, 1100, 50), 100_000])
def test_a_report_nested_however_deep_breaks_nothing(depth: int) -> None:
    text = base64.b64encode(f'{{"code": {"[" * depth}{"]" * depth}}}'.encode()).decode()
    output.read_report([f"{output.MARK} 1/1 {text}"])


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "1e999", "1" * 400, "-1", "true", '"x"'])
def test_a_length_of_time_that_is_none_is_left_out(seconds: str) -> None:
    check = f'{{"name": "loads", "state": "passed", "seconds": {seconds}}}'
    text = base64.b64encode(f'{{"checks": [{check}]}}'.encode()).decode()
    (found,) = reported(output.read_report([f"{output.MARK} 1/1 {text}"]))
    assert found.seconds in {None, 1.0}
