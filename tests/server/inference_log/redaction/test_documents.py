"""Fields, tensors, tables and texts of a body."""

import hashlib
import json

import pytest

from hopyard.server.inference_log.redaction import NOT_KEPT, Redaction
from hopyard.server.inference_log.rules import path_of
from tests.server.inference_log.redaction.hiding import EMAIL, redacted


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
    kept = Redaction.of([{"field": "ssn"}], "salt").kept(raw, b"{}", "ValueError: 123")
    assert (kept.inputs.text, kept.inputs.size) == ("", len(raw))
    plain = hashlib.sha256(raw).hexdigest()
    assert kept.inputs.sha256 == hashlib.sha256(b"salt" + plain.encode()).hexdigest()
    assert kept.error == f"ValueError: {NOT_KEPT}"


def test_the_digest_of_a_body_that_was_too_large_to_pass_on_is_salted_too():
    digest = hashlib.sha256(b"large").hexdigest()
    once, again = (
        Redaction.of([{"field": "ssn"}], "salt").kept((70_000, digest), b"{}").inputs for _ in range(2)
    )
    assert once == again
    assert (once.text, once.size, len(once.sha256)) == ("", 70_000, 64)
    assert once.sha256 != digest
    assert Redaction.of([]).kept((70_000, digest), b"{}").inputs.sha256 == digest


def test_values_hidden_behind_a_key_given_twice_or_in_json_encoded_twice_do_not_survive():
    rules = [{"field": "user.ssn"}, {"pattern": "secret"}]
    twice = b'{"user": {"ssn": 987}, "user": {}, "a": "secret", "a": 1, "b": "\\u0073ecret"}'
    assert Redaction.of(rules).kept(twice, b"").inputs.text == '{"user":{},"a":1,"b":"***"}'
    encoded = json.dumps(json.dumps({"user": {"ssn": 987}})).encode()
    assert Redaction.of(rules).kept(encoded, b"").inputs.text == '{"user":{"ssn":"***"}}'


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
