"""Redaction: nothing that a rule is about leaves a replica, whatever its body looks like."""

import hashlib
import json
import re
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.server.failures import one_line
from hopyard.server.inference_log import matching, records
from hopyard.server.inference_log import redaction as redaction_module
from hopyard.server.inference_log.pairs import Pairs
from hopyard.server.inference_log.redaction import NOT_KEPT, Redaction
from hopyard.server.inference_log.rules import path_of
from hopyard.server.inference_log.shipping.orders import Orders
from hopyard.server.inference_log.shipping.preparing import Preparing

EMAIL = r"[\w.+-]+@[\w-]+\.\w+"


def redacted(document, *rules, salt="", error=None):
    """The inputs that are kept of this document, as a value."""
    kept = Redaction.of(rules, salt).kept(json.dumps(document).encode(), b"", error)
    return json.loads(kept.inputs.text)


@pytest.mark.parametrize(
    ("field", "document", "expected"),
    [
        ("ssn", {"ssn": 1}, {"ssn": "***"}),
        ("ssn", {"instances": [{"ssn": "a", "b": 1}]}, {"instances": [{"ssn": "***", "b": 1}]}),
        ("ssn", [{"x": {"ssn": None}}], [{"x": {"ssn": "***"}}]),
        ("user.ssn", {"user": {"ssn": 1}, "ssn": 2}, {"user": {"ssn": "***"}, "ssn": 2}),
        ("user.ssn", {"a": {"user": {"ssn": 1}}}, {"a": {"user": {"ssn": 1}}}),
        ("petal.length", {"x": [{"petal.length": 1}]}, {"x": [{"petal.length": "***"}]}),
        ("instances[*].ssn", {"instances": [{"ssn": 1}, 2]}, {"instances": [{"ssn": "***"}, 2]}),
        ("instances.*.ssn", {"instances": [{"ssn": 1}]}, {"instances": [{"ssn": "***"}]}),
        ("instances.ssn", {"instances": [[{"ssn": 1}]]}, {"instances": [[{"ssn": "***"}]]}),
        ("$.instances[*][1]", {"instances": [[1, 2], [3, 4]]}, {"instances": [[1, "***"], [3, "***"]]}),
        ("instances[*][*]", {"instances": [[1, True]]}, {"instances": [["***", "***"]]}),
        ("*.ssn", {"a": {"ssn": 1}, "ssn": 2}, {"a": {"ssn": "***"}, "ssn": 2}),
        ("user", {"user": {"name": "x"}}, {"user": "***"}),
        ("tags", {"tags": ["a", ["b", {"c": 1}]]}, {"tags": ["***", ["***", "***"]]}),
        ("ssn", {"specversion": "1.0", "data": {"ssn": 1}}, {"specversion": "1.0", "data": {"ssn": "***"}}),
        (
            "instances[*].a",
            {"specversion": "1.0", "data": {"instances": [{"a": 1}]}},
            {"specversion": "1.0", "data": {"instances": [{"a": "***"}]}},
        ),
    ],
)
def test_a_field_is_masked_wherever_its_path_leads(field, document, expected):
    assert redacted(document, {"field": field}) == expected


TENSORS = {
    "inputs": [
        {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [[30], [40]]},
        {"name": "b", "data": [1]},
    ]
}


@pytest.mark.parametrize("field", ["age", "inputs.age", "inputs[*].age", "inputs.age.data", "inputs[0].data"])
def test_a_tensor_of_that_name_loses_its_data(field):
    first, second = redacted(TENSORS, {"field": field})["inputs"]
    assert first == {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [["***"], ["***"]]}
    assert second == TENSORS["inputs"][1]


def test_a_tensor_can_lose_its_data_as_a_whole():
    assert "data" not in redacted(TENSORS, {"field": "age", "action": "remove"})["inputs"][0]


@pytest.mark.parametrize("field", ["ssn", "dataframe_split.ssn", "dataframe_split.data[*][1]"])
@pytest.mark.parametrize(("action", "left"), [("mask", "***"), ("remove", None)])
def test_a_column_of_a_table_is_meant_by_its_name(field, action, left):
    table = {"index": [0, 1], "columns": ["a", "ssn"], "data": [[1, 2], [3, 4]]}
    found = redacted({"dataframe_split": table}, {"field": field, "action": action})
    assert found == {"dataframe_split": {**table, "data": [[1, left], [3, left]]}}


def test_removing_takes_a_key_away_and_leaves_a_null_in_a_row():
    document = {"a": 1, "rows": [[1, 2]]}
    rules = [{"field": "a", "action": "remove"}, {"field": "rows[*][0]", "action": "remove"}]
    assert redacted(document, *rules) == {"rows": [[None, 2]]}


def test_a_hash_is_the_same_for_the_same_value_and_another_for_another_salt():
    rule = {"field": "id", "action": "hash"}
    expected = hashlib.sha256(b"saltbob").hexdigest()[:16]
    assert redacted([{"id": "bob"}, {"id": ["bob", 7]}], rule, salt="salt") == [
        {"id": expected},
        {"id": [expected, hashlib.sha256(b"salt7").hexdigest()[:16]]},
    ]
    assert redacted({"id": "bob"}, rule, salt="other") != {"id": expected}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("mask", "to *** and ***!"),
        ("remove", "to  and !"),
        (
            "hash",
            "to {} and {}!".format(
                *(hashlib.sha256(each).hexdigest()[:16] for each in (b"a@b.co", b"c@d.ef"))
            ),
        ),
    ],
)
def test_a_pattern_is_changed_within_strings(action, expected):
    rule = {"pattern": EMAIL, "action": action}
    assert redacted({"x": ["to a@b.co and c@d.ef!", 1.5, None]}, rule) == {"x": [expected, 1.5, None]}


def test_a_pattern_is_looked_for_in_whole_numbers_and_in_names_too():
    rule = {"pattern": r"\d{16}"}
    found = redacted({"4111111111111111": 4111111111111111, "b": 1.5, "c": True}, rule)
    assert found == {"***": "***", "b": 1.5, "c": True}


@pytest.mark.parametrize(
    ("pattern", "number", "is_changed"),
    [
        (r"\b\d{16}\b", 4111111111111111.0, True),
        (r"^\d{16}$", 4111111111111111.0, True),
        (r"^\d{17}$", 4.1111111111111111e16, True),
        (r"5[12]\.\d+", 52.520008, True),
        (r"\b\d{16}\b", 0.8414709848078965, False),
        (r"\d{16}", 1.5, False),
    ],
)
def test_a_number_with_a_point_is_looked_at_like_any_other_but_for_what_is_behind_its_point(
    pattern, number, is_changed
):
    assert redacted([number], {"pattern": pattern}) == ["***" if is_changed else number]


def test_a_rule_is_about_its_direction():
    redaction = Redaction.of([{"field": "a", "in": "inputs"}, {"field": "b", "in": "outputs"}])
    kept = redaction.kept(b'{"a":1,"b":2}', b'{"a":3,"b":4}')
    assert (kept.inputs.text, kept.outputs.text) == ('{"a":"***","b":2}', '{"a":3,"b":"***"}')


def test_sizes_are_those_on_the_wire():
    kept = Redaction.of([{"field": "a", "action": "remove"}]).kept(b'{"a": 1}', b"")
    assert (kept.inputs.text, kept.inputs.size) == ("{}", 8)


def test_without_rules_everything_is_kept_as_it_is():
    kept = Redaction.of([]).kept(b'{"a":  1}', b"not json", "why")
    assert (kept.inputs.text, kept.outputs.text, kept.outputs.size, kept.error) == ('{"a":  1}', "", 8, "why")


@pytest.mark.parametrize(
    "raw", [b'{"ssn": 123', b"\xff", b'{"a":' * 300 + b"1" + b"}" * 300, b'"' + b"x" * 70_000 + b'"']
)
def test_a_body_that_cannot_be_redacted_is_kept_by_size_and_digest_and_so_nothing_quotes_it(raw):
    kept = Redaction.of([{"field": "ssn"}]).kept(raw, b"{}", "ValueError: 123")
    assert (kept.inputs.text, kept.inputs.size) == ("", len(raw))
    assert kept.inputs.sha256 == hashlib.sha256(raw).hexdigest()
    assert kept.error == f"ValueError: {NOT_KEPT}"


def test_values_hidden_behind_a_key_given_twice_or_in_json_encoded_twice_do_not_survive():
    rules = [{"field": "user.ssn"}, {"pattern": "secret"}]
    twice = b'{"user": {"ssn": 987}, "user": {}, "a": "secret", "a": 1, "b": "\\u0073ecret"}'
    assert Redaction.of(rules).kept(twice, b"").inputs.text == '{"user":{},"a":1,"b":"***"}'
    encoded = json.dumps(json.dumps({"user": {"ssn": 987}})).encode()
    assert Redaction.of(rules).kept(encoded, b"").inputs.text == '{"user":{"ssn":"***"}}'


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


# What is kept of any document does not have the values of any rule.

TOKEN = "s3cr3t-VALUE"
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1000, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
secret = st.one_of(
    st.just(TOKEN), st.just(987654321), st.lists(st.just(TOKEN), max_size=2), st.just({TOKEN: TOKEN})
)


def documents(leaf):
    names = st.sampled_from(["a", "b", "data", "name", "columns"])
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=15,
    )


hiding = documents(
    plain
    | st.fixed_dictionaries({"ssn": secret})
    | st.fixed_dictionaries({"name": st.just("ssn"), "datatype": st.just("BYTES"), "data": secret})
    | st.builds(lambda value: {"columns": ["a", "ssn"], "data": [[1, value], [2, value]]}, secret)
    | st.builds(lambda value: {"headers": ["ssn"], "values": [[value]]}, secret)
)
actions = st.sampled_from(["remove", "mask", "hash"])


@settings(max_examples=300)
@given(inputs=hiding, outputs=hiding, action=actions)
def test_no_value_of_a_field_survives(inputs, outputs, action):
    before = [json.dumps(each).encode() for each in (inputs, outputs)]
    redaction = Redaction.of([{"field": "ssn", "action": action}])
    hidden = TOKEN if any(TOKEN.encode() in each for each in before) else "x"
    kept = redaction.kept(*before, f"ValueError: could not convert {hidden!r}")
    for text in (kept.inputs.text, kept.outputs.text, kept.error):
        assert TOKEN not in text
        assert "987654321" not in text
    assert kept.inputs.text
    assert kept.outputs.text


@settings(max_examples=300)
@given(
    document=documents(plain | st.builds("{}{}{}".format, st.text(), st.just(TOKEN), st.text())),
    action=actions,
)
def test_no_match_of_a_pattern_survives(document, action):
    raw = json.dumps(document).encode()
    kept = Redaction.of([{"pattern": TOKEN, "action": action}]).kept(raw, raw, f"of {TOKEN}")
    assert TOKEN not in f"{kept.inputs.text}{kept.outputs.text}{kept.error}"


@given(document=documents(plain))
def test_what_no_rule_is_about_stays_as_it_is(document):
    assert redacted(document, {"field": "ssn"}, {"pattern": "s3cr3t-VALUE"}) == document


# Bounds


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


# MLRun's records

SINGLE = {
    "class": "M",
    "model": "m",
    "function_uri": "p/f",
    "request": {"inputs": [{"ssn": TOKEN}]},
    "op": "infer",
    "resp": {"outputs": [1], "ssn": TOKEN},
    "when": "2024-01-01 00:00:00.000000+00:00",
    "microsec": 5,
    "metrics": {"note": "a@b.co"},
}


def test_a_record_of_mlrun_keeps_its_layout():
    redaction = Redaction.of([{"field": "ssn"}, {"pattern": EMAIL}])
    found = json.loads(redaction.message(json.dumps(SINGLE).encode()))
    assert list(found) == list(SINGLE)
    assert (found["request"], found["resp"]) == ({"inputs": [{"ssn": "***"}]}, {"outputs": [1], "ssn": "***"})
    assert found["metrics"] == {"note": "***"}


def test_every_row_of_a_batch_is_redacted():
    headers = ["request", "op", "resp", "when", "microsec", "metrics"]
    batch = {
        "class": "M",
        "model": "m",
        "headers": headers,
        "values": [[SINGLE[each] for each in headers]] * 2,
    }
    text = Redaction.of([{"field": "inputs.ssn", "in": "inputs"}]).message(json.dumps(batch).encode())
    rows = json.loads(text)["values"]
    assert [row[0] for row in rows] == [{"inputs": [{"ssn": "***"}]}] * 2
    assert [row[1:] for row in rows] == [row[1:] for row in batch["values"]]


def test_an_error_of_mlrun_quotes_nothing_either():
    record = {
        "model": "m",
        "request": {"ssn": TOKEN},
        "op": "infer",
        "error": f"bad {TOKEN}\nTraceback {TOKEN}",
    }
    assert TOKEN.encode() not in Redaction.of([{"field": "ssn"}]).message(json.dumps(record).encode())


@pytest.mark.parametrize("request_kept", [None, {"size": 70_000, "sha256": "ab" * 32}])
def test_an_error_of_mlrun_is_not_kept_without_the_request_that_it_may_quote(request_kept):
    record = {"model": "m", "request": request_kept, "op": "infer", "error": f"bad {TOKEN}"}
    found = json.loads(Redaction.of([{"field": "ssn"}]).message(json.dumps(record).encode()))
    assert (found["request"], found["error"]) == (request_kept, NOT_KEPT)


def test_what_else_a_record_of_mlrun_tells_of_a_call_is_redacted_too():
    rules = [{"pattern": EMAIL}, {"field": "ssn", "action": "remove"}]
    more = {"op": "a@b.co", "labels": {"of": "a@b.co"}, "own": ["a@b.co"], "ssn": 5, "worker": 3}
    found = json.loads(Redaction.of(rules).message(json.dumps({**SINGLE, **more}).encode()))
    assert (found["op"], found["labels"], found["own"], found["ssn"]) == ("***", {"of": "***"}, ["***"], None)
    headers = ["request", "op", "resp"]
    batch = {"model": "m", "headers": headers, "values": [[{}, "a@b.co", {}]], "labels": {"of": "a@b.co"}}
    found = json.loads(Redaction.of(rules).message(json.dumps(batch).encode()))
    assert found == {**batch, "values": [[{}, "***", {}]], "labels": {"of": "***"}}


def test_what_a_record_of_mlrun_tells_of_its_server_stays():
    found = json.loads(Redaction.of([{"pattern": r"\w"}]).message(json.dumps(SINGLE).encode()))
    assert [found[each] for each in ("class", "model", "function_uri", "when", "microsec")] == [
        SINGLE[each] for each in ("class", "model", "function_uri", "when", "microsec")
    ]


def test_an_error_of_mlrun_does_not_tell_what_rules_hide_in_answers():
    record = {"model": "m", "request": {"a": 1}, "op": "infer", "error": f"bad answer {TOKEN}"}
    redaction = Redaction.of([{"field": "ssn", "in": "outputs"}])
    assert json.loads(redaction.message(json.dumps(record).encode()))["error"] == NOT_KEPT


@pytest.mark.parametrize(
    ("record", "pattern", "why"),
    [
        ({"request": "a" * 60_000}, "(a+)+b", "more than its time"),
        ({"request": json.loads("[" * 300 + "]" * 300)}, "b", "cannot be redacted"),
    ],
)
def test_the_reason_why_a_record_keeps_no_bodies_is_told_as_it_is(record, pattern, why, caplog):
    redaction_module._say.cache_clear()
    rules = [{"pattern": pattern}, {"field": "ssn", "action": "hash"}]
    found = json.loads(Redaction.of(rules).message(json.dumps({**record, "op": "a@b.co"}).encode()))
    assert (found["request"].keys(), found["op"]) == ({"size", "sha256"}, None)
    assert [why in each.message for each in caplog.records] == [True]


# The names that callers give to calls


def named(record_id, extra, *patterns):
    record = (
        *[0.0] * records.REQUEST_ID,
        record_id,
        *[0.0] * (records.EXTRA - records.REQUEST_ID - 1),
        extra,
    )
    found = Redaction.of([{"pattern": each} for each in patterns], "salt").named(record)
    assert len(found) == len(record)
    return found[records.REQUEST_ID], found[records.EXTRA]


def test_an_id_that_a_pattern_matches_is_always_the_same_hash():
    hashed = hashlib.sha256(b"saltcall of a@b.co").hexdigest()[:16]
    extra = {"ce_id": "call of a@b.co", "content_type": "text/plain", "answer_type": None}
    for _ in range(2):
        assert named(b"call of a@b.co", extra, EMAIL) == (hashed.encode(), {**extra, "ce_id": hashed})
    assert named(b"call-1", extra, r"\d{9}") == (b"call-1", extra)
    assert named(b"call of a@b.co", None) == (b"call of a@b.co", None)


def test_an_id_that_takes_for_ever_to_look_at_is_hashed():
    found, _ = named(b"a" * 5000, None, "(a+)+b")
    assert found == hashlib.sha256(b"salt" + b"a" * 5000).hexdigest()[:16].encode()


def test_neither_the_record_nor_the_events_of_a_call_have_an_id_that_a_pattern_matches():
    told = []
    orders = Orders("w", "iris-inf0001", topic_dir=Path(), redaction=({"pattern": EMAIL},))
    preparing = Preparing(orders, for_platform=False, tell=told.append)
    times = (0.25, 0.0, -1.0, 0.2, -1.0)
    extra = {"ce_id": "a@b.co"}
    record = (1.7e9, 200, b"a@b.co", "v1", "predict", *times, b"{}", b"{}", None, None, extra)
    (value,) = preparing.values([record])
    (call,) = told
    events = list(Pairs(orders.origin, exact=False).of(call))
    assert "a@b.co" not in f"{value!r}{call.record!r}{events!r}"
    assert call.record[records.REQUEST_ID] in value


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


def test_a_record_of_mlrun_that_takes_for_ever_keeps_no_bodies():
    record = {**SINGLE, "request": {"inputs": ["a" * 60_000]}, "error": "a"}
    found = json.loads(Redaction.of([{"pattern": "(a+)+b"}]).message(json.dumps(record).encode()))
    assert found["request"].keys() == {"size", "sha256"}
    assert (found["model"], found["metrics"], found["error"]) == ("m", {}, NOT_KEPT)


def test_rules_that_cannot_be_read_are_refused():
    for rule in (
        {},
        {"field": "a", "pattern": "b"},
        {"field": "a", "action": "burn"},
        {"pattern": "("},
        {"field": 5},
    ):
        with pytest.raises(ValueError, match="rule|pattern"):
            Redaction.of([rule])
    assert path_of("$.a[*].b[3]") == ("a", "*", "b", "3")
