"""Long texts, expressions that take for ever, and other threads."""

import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.server.inference_log import matching
from hopyard.server.inference_log.redaction import NOT_KEPT, Redaction


@given(
    st.lists(
        st.text("ab", max_size=30) | st.just("x" * 700) | st.just("secret") | st.just("s" * 1000), max_size=40
    )
)
def test_in_long_texts_the_same_is_found_as_at_once(pieces):
    text = "".join(pieces)
    pattern = re.compile(r"\bsecret|s{5,900}|ab+a")
    assert list(matching.matches(pattern, text)) == [each.span() for each in pattern.finditer(text)]


def test_a_match_across_windows_and_one_longer_than_a_window_are_found_whole():
    for before in range(matching.WINDOW - 8, matching.WINDOW + 2):
        assert list(matching.matches(re.compile("secret"), "-" * before + "secret" + "-" * 9000)) == [
            (before, before + 6)
        ]
    long = "-" * 100 + "s" * 20_000 + "-" * 9000
    assert "s" not in "".join(
        long[end:start]
        for (_, end), (start, _) in zip(
            [(0, 0), *matching.matches(re.compile("s+"), long)],
            [*matching.matches(re.compile("s+"), long), (len(long), 0)],
            strict=True,
        )
    )


@pytest.mark.parametrize("pattern", ["(a+)+b", r"(\w+\s?)*$x", "(a|a)*b", ".*.*.*.*x"])
def test_an_expression_that_takes_for_ever_is_ended_by_the_clock(pattern):
    began = time.monotonic()
    kept = Redaction.of([{"pattern": pattern}]).kept(b'"%b"' % (b"a" * 60_000), b"{}", "why")
    assert time.monotonic() - began < 5
    assert (kept.inputs.text, kept.inputs.size, kept.error) == ("", 60_002, NOT_KEPT)
    assert kept.inputs.sha256


def test_the_clock_is_stopped_after_each_call():
    redaction = Redaction.of([{"pattern": "a"}])
    redaction.kept(b'"a"', b"")
    began = time.monotonic()
    while time.monotonic() - began < 0.4:  # longer than a call may take: no alarm comes late
        assert redaction.kept(b'"a"', b"").inputs.text == '"***"'


def test_another_thread_can_redact_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(Redaction.of([{"pattern": "a"}]).kept(b'"a"', b"")))
    thread.start()
    thread.join()
    assert found[0].inputs.text == '"***"'
