"""Errors quote nothing that bodies lost."""

import json
import re
import tracemalloc
from pathlib import Path

import pytest

from hopyard.server.failures import one_line
from hopyard.server.inference_log.redaction import NOT_KEPT, Redaction
from hopyard.server.inference_log.shipping.orders import Orders
from hopyard.server.inference_log.shipping.preparing import Preparing
from tests.server.inference_log.redaction.hiding import EMAIL


def test_an_error_quotes_nothing_that_was_redacted():
    rules = [{"field": "name"}, {"field": "age"}, {"pattern": f"^{EMAIL}$"}]
    body = json.dumps({"name": "O'Brien \u00e4\n", "age": 7, "m": "a@b.co", "n": 17}).encode()
    error = f"KeyError: {'O' + chr(39) + 'Brien ä' + chr(10)!r}, 7 (not 17) and 7.0, a@b.co, x@y.zz."
    kept = Redaction.of(rules).kept(body, b"", error, has_run=False)
    assert kept.error is not None
    assert not re.search(r"Brien|a@b|\b7\b", kept.error)
    assert "17" in kept.error
    # The values of rules that are about the inputs are gone from errors, though nothing was answered.
    assert (
        Redaction.of([{"pattern": "s3cr3t", "in": "inputs"}]).kept(b"{}", b"", "no s3cr3t").error == "no ***"
    )


def test_an_error_is_not_kept_where_the_mode_keeps_no_inputs_to_compare_it_with():
    redaction = Redaction.of([{"field": "name", "in": "inputs"}])
    assert redaction.kept(None, b"{}", "bob").error == NOT_KEPT
    assert Redaction.of([{"pattern": "bob"}]).kept(None, b"{}", "bob!").error == "***!"


LONG = "4111-" * 700


@pytest.mark.parametrize(
    "text", [f"could not convert {LONG!r}", f"{{'a': [{LONG!r}]}}", LONG, f"{'.' * 1990}{LONG}"]
)
@pytest.mark.parametrize("rule", [{"field": "card"}, {"pattern": "(4111-?)+"}])
def test_a_long_value_does_not_survive_in_an_error_that_was_cut(text, rule):
    error = one_line(ValueError(text))
    assert error.endswith("...")
    kept = Redaction.of([rule]).kept(json.dumps({"card": LONG}).encode(), b"", error, has_run=False)
    assert "4" not in kept.error
    assert kept.error.startswith("ValueError: ")


def test_what_libraries_leave_of_a_value_does_not_survive_either():
    body = json.dumps({"card": "4111222233334444 of Alice", "b": "wide"}).encode()
    error = "1 validation error: input_value='411122223...of Alice', and \u20261144 w... was wide."
    kept = Redaction.of([{"field": "card"}]).kept(body, b"", error, has_run=False)
    assert kept.error == "1 validation error: input_value='***...***', and \u20261144 w... was wide."


def test_a_match_that_was_cut_in_an_error_is_gone_though_no_body_has_it():
    error = one_line(ValueError("x " * 989 + "of alice@example.com"))
    assert error.endswith("alice@e...")
    kept = Redaction.of([{"pattern": EMAIL}]).kept(b"{}", b"", error)
    assert kept.error.endswith("x of ***...")


@pytest.mark.parametrize("value", ["bob\0smith", "bob ", "Zo\u00eb"])
def test_an_error_is_searched_for_all_ways_to_write_a_value(value):
    body = json.dumps({"name": value}).encode()
    redaction = Redaction.of([{"field": "name"}])
    for said in (value, repr(value), repr(value.encode(errors="replace")), f"{{{value!r}: 1}}"):
        error = one_line(ValueError(said))
        kept = redaction.kept(body, b"", error, has_run=False).error
        assert "***" in kept
        assert not any(part in kept for part in ("bob", "smith", "Zo"))


def test_patterns_see_an_error_before_values_are_taken_out_of_it():
    rules = [{"field": "name"}, {"pattern": EMAIL}]
    kept = Redaction.of(rules).kept(b'{"name": "alice"}', b"", "no alice@x.yz", has_run=False)
    assert kept.error == "no ***"


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"field": "ssn", "in": "outputs"}, f"ValueError: {NOT_KEPT}"),
        ({"field": "ssn"}, f"ValueError: {NOT_KEPT}"),
        ({"pattern": r"^\d{4}$", "in": "outputs"}, f"ValueError: {NOT_KEPT}"),
        ({"pattern": r"\d{4}", "in": "outputs"}, "ValueError: bad answer ***"),
        ({"pattern": r"[^a-z ]{4}", "in": "outputs"}, "ValueError: bad answer ***"),
        ({"field": "ssn", "in": "inputs"}, "ValueError: bad answer 1234"),
    ],
)
def test_an_error_does_not_tell_what_rules_hide_in_an_answer_that_nobody_got(rule, error):
    redaction = Redaction.of([rule])
    assert redaction.kept(b"{}", b"", "ValueError: bad answer 1234").error == error
    assert redaction.kept(b"{}", None, "ValueError: bad answer 1234").error == error


def test_an_error_of_a_model_that_never_ran_is_kept():
    redaction = Redaction.of([{"field": "ssn"}])
    assert redaction.kept(b'{"ssn": 12}', b"", "no ssn 12", has_run=False).error == "no ssn ***"
    assert redaction.kept(b"{}", b"", "bob@x: no").error == NOT_KEPT


def test_nothing_that_was_looked_for_stays_in_memory():
    redaction = Redaction.of([{"field": "names"}])

    def redact(number: int) -> None:
        body = json.dumps({"names": [f"name-{number}-{each}" for each in range(300)]}).encode()
        assert redaction.kept(body, b"", "ValueError: name", has_run=False).error == "ValueError: name"

    redact(0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1, 20):
            redact(number)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("status", "queue", "is_kept"), [(500, 0.0, False), (503, -1.0, True), (400, 0.0, True)]
)
def test_an_error_is_kept_where_there_was_no_answer_it_could_quote(status, queue, is_kept):
    told = []
    orders = Orders("w", "iris-inf0001", topic_dir=Path(), redaction=({"field": "ssn"},))
    times = (0.25, queue, -1.0, 0.2, -1.0)
    record = (1.7e9, status, b"r", "v1", "predict", *times, b"{}", b"", "why", None, None)
    Preparing(orders, for_platform=False, tell=told.append).values([record])
    assert told[0].error == ("why" if is_kept else NOT_KEPT)
