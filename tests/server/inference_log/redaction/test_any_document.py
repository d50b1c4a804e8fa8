"""What is kept of any document does not have the values of any rule."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.server.inference_log.redaction import Redaction
from tests.server.inference_log.redaction.hiding import TOKEN, redacted

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
