"""Which recorded calls can be asked again and how, and what a replay comes to."""

import pytest

from serving.models import InferenceRecord
from serving.replays import choosing, summary
from serving.replays.summary import Pair


def record(**facts: object) -> InferenceRecord:
    return InferenceRecord(**{"status": 200, "inputs": "{}"} | facts)


@pytest.mark.parametrize(
    ("facts", "is_redacted", "reason"),
    [
        ({}, False, ""),
        ({"status": 500}, False, ""),
        ({}, True, "its inputs were redacted"),
        ({"inputs": ""}, False, "its inputs were not kept"),
        (
            {"inputs": "", "inputs_sha256": "ab"},
            False,
            "too large or no JSON, so that only its digest was kept",
        ),
        ({"status": 499}, False, "the client left before it was answered"),
    ],
)
def test_a_record_is_left_out_with_a_reason(facts: dict[str, object], is_redacted: bool, reason: str) -> None:
    assert choosing.reason_against(record(**facts), is_redacted=is_redacted) == reason


@pytest.mark.parametrize(
    ("protocol", "verb", "path"),
    [
        ("v1", "predict", "/v1/models/iris:predict"),
        ("v1", "explain", "/v1/models/iris:explain"),
        ("", "classify", "/v1/models/iris:classify"),
        ("v2", "infer", "/v2/models/iris/infer"),
        ("grpc", "infer", "/v2/models/iris/infer"),
        ("mlrun", "predict", "/v2/models/iris/predict"),
        ("mlrun", "my op", "/v2/models/iris/my%20op"),
    ],
)
def test_a_call_is_asked_as_it_was_recorded(protocol: str, verb: str, path: str) -> None:
    assert choosing.question("iris", protocol=protocol, verb=verb, inputs="{}").path == path


def test_a_summary_counts_and_gives_percentiles() -> None:
    pairs = [
        Pair(n * 10, n * 20, n == 3, 500 if n == 4 else 200, 0.5 if n == 3 else None) for n in range(1, 101)
    ]
    found = summary.of(pairs)
    assert found == {
        "calls": 100,
        "differing": 1,
        "failing": 1,
        "largest_change": 0.5,
        "old_us": {"p50": 500, "p95": 950, "p99": 990},
        "new_us": {"p50": 1000, "p95": 1900, "p99": 1980},
    }
    assert summary.of([])["old_us"] == {}


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ('{"instances": [[1]]}', "/v1/models/iris:predict"),
        ('{"inputs": [[1]]}', "/v1/models/iris:predict"),
        ('{"inputs": [{"a": 1}]}', "/v1/models/iris:predict"),
        (
            '{"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [1]}]}',
            "/v2/models/iris/infer",
        ),
        ("[1]", "/v1/models/iris:predict"),
    ],
)
def test_a_record_that_does_not_say_how_it_was_asked_is_asked_by_its_body(inputs: str, path: str) -> None:
    assert choosing.question("iris", protocol="", verb="", inputs=inputs).path == path
