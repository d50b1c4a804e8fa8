"""Rules of redaction and the address of CloudEvents are checked when a serving is saved."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.server.inference_log.redaction import Redaction
from serving.drafting import events, redaction
from serving.errors import ServingError
from serving.settings import Settings


def refusal(rules: Any) -> str:
    """What is said of these rules; empty if they are accepted."""
    try:
        redaction.check(Settings(name="iris", script="x.py", redaction=rules))
    except ServingError as error:
        return f"{error.field}: {error}"
    return ""


GOOD = [
    {"field": "ssn"},
    {"field": "$.instances[*].ssn", "in": "inputs", "action": "remove"},
    {"field": "instances.*.3", "in": "outputs", "action": "hash"},
    {"field": "petal.length", "in": "both", "action": "mask"},
    {"pattern": r"[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}"},
    {"pattern": r"\b(?:\d[ -]?){13,16}\b"},
    {"pattern": r"(?:\d{1,3}\.){3}\d{1,3}"},
    {"pattern": r"(?i)bearer\s+[\w.-]+"},
    {"pattern": r"(?:key|token)=[^&\s]+(?=&|$)"},
]


@pytest.mark.parametrize("rule", GOOD)
def test_rules_that_replicas_apply_are_accepted(rule):
    assert refusal([rule]) == ""
    assert Redaction.of([rule]).rules


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("ssn", "are a list"),
        ({"field": "ssn"}, "are a list"),
        ([{"field": "a"}] * 51, "There are 51 rules of redaction; at most 50"),
        ([{"field": "a"}, "b"], "Rule 2 of the redaction: it is an object"),
        ([{"field": "a"}, {}], "Rule 2 of the redaction: it has either a field"),
        ([{"field": "a", "pattern": "b"}], "either a field, such as .*, or a pattern"),
        ([{"field": ""}], "either a field"),
        ([{"field": 5}], "its field is a text"),
        ([{"pattern": ["a"]}], "its pattern is a text"),
        ([{"field": "a", "mode": "x"}], "mode is not known; a rule has field or pattern, in, and action"),
        ([{"field": "a", "action": "burn"}], "its action is 'burn'; write remove, mask or hash"),
        ([{"field": "a", "in": []}], r"its in is '\[\]'; write inputs, outputs or both"),
        ([{"field": "a..b"}], "'a..b' is no path"),
        ([{"field": "  "}], "is no path"),
        ([{"field": "a" * 201}], "more than 200 characters"),
        ([{"pattern": "("}], r"'\(' is no regular expression: missing \)"),
        ([{"pattern": "a{99999999999999}"}], "is no regular expression"),
        ([{"pattern": "a" * 501}], "more than 500 characters"),
        ([{"pattern": "^"}], "matches nothing but the empty text"),
        ([{"pattern": "(a+)+b"}], "repeats what repeats itself"),
    ],
)
def test_anything_else_is_refused_with_the_rule_and_the_reason(rules, said):
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(refusal(rules))
    assert refusal(rules).startswith("redaction: ")


@pytest.mark.parametrize(
    "pattern",
    [r"(a*)*", r"(\w+\s?)*x", r"(?:.*)+", r"(a|b+)*c", r"((a+))+", r"(?:(?:x*)y?)+z", r"(?=(a+)+b)a"],
)
def test_an_expression_of_endless_work_is_refused(pattern):
    assert "for ever" in refusal([{"pattern": pattern}])


@pytest.mark.parametrize(
    "pattern", [r"(?:[\w-]+\.)+x", r"(a+){3}", r"(?:a|b)+", r"(ab+c)*", r"(?:\d{1,3}x)+"]
)
def test_an_expression_whose_parts_are_kept_apart_is_accepted(pattern):
    assert refusal([{"pattern": pattern}]) == ""


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["field", "pattern", "in", "action", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_what_is_accepted_can_be_applied_and_nothing_breaks_the_check(rules):
    began = time.monotonic()
    if not refusal(rules):
        Redaction.of(rules).kept(b'{"a": "text"}', b"{}", "error")
    assert time.monotonic() - began < 5


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")  # of Python, about [[
@given(st.text("ab.*+?()|[]{}1,\\^$", max_size=12))
def test_any_pattern_is_either_compiled_or_refused_with_a_sentence(pattern):
    said = refusal([{"pattern": pattern}])
    if not said:
        assert Redaction.of([{"pattern": pattern}]).rules
    else:
        assert said.startswith("redaction: Rule 1 of the redaction: ")


# The address of CloudEvents


@pytest.mark.parametrize(
    "address", ["", "http://collector:8080/events", "https://e.example.org/a?b=c", "http://[::1]:80/"]
)
def test_an_address_of_a_collector_is_accepted(address):
    events.check(Settings(name="iris", script="x.py", events_url=address))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("collector:8080", "begins with http:// or https://"),
        ("ftp://collector", "begins with http:// or https://"),
        ("http://", "names a machine"),
        ("http://collector:0/", "names a machine"),
        ("http://collector:99999/", "is none: Port out of range"),
        ("http://[::1/", "is none: Invalid IPv6"),
        ("http://bob:secret@collector/", "holds a name or password"),
        ("http://collector/#a", "has a # in it"),
        ("http://collector/a b", "printable characters of ASCII"),
        ("http://collector/\r\nX: 1", "printable characters of ASCII"),
        ("http://cöllector/", "printable characters of ASCII"),
        ("http://collector/" + "a" * 500, "more than 500 characters"),
    ],
)
def test_any_other_address_is_refused(address, said):
    with pytest.raises(ServingError, match=f"The address for events .*{said}") as caught:
        events.check(Settings(name="iris", script="x.py", events_url=address))
    assert caught.value.field == "events_url"
