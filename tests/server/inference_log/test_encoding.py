"""Records in Avro are, byte for byte, what fastavro writes of them."""

import io
import json
from pathlib import Path

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.server.inference_log import encoding, lines, shrinking
from hopyard.server.inference_log.bodies import Body, whole
from hopyard.server.inference_log.encoding import Origin, Told

from .shipper import decoded, record

unhurried = settings(deadline=None)  # beside other tests a first call may take long
ROOT = Path(__file__).parents[3]
ORIGIN = Origin(7, "iris", 2, "demo", 4, "r1", "iris-model", "MODEL-ONLY", "ALL", 12.5)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
BODIES = st.builds(Body, TEXTS, st.integers(0, 2**62), st.sampled_from(["", "ab" * 32]))
RECORDS = st.builds(
    record,
    st.integers(),
    requested_at=st.floats(0, 4e9),
    status=st.integers(0, 2**31 - 1),
    request_id=TEXTS.map(str.encode),
    protocol=TEXTS,
    verb=TEXTS,
    seconds=SECONDS,
    queue=SECONDS,
    preprocess=SECONDS,
    predict=SECONDS,
    postprocess=SECONDS,
    key_id=st.none() | TEXTS,
)


def expected(version, told):
    """The record as an object, and as fastavro writes it."""
    at = round(told.record[0] * 1_000_000)
    error = told.error or ""
    one = {
        "modelId": 7,
        "modelName": "iris",
        "modelVersion": 2,
        "modelServer": "PYTHON",
        "servingTool": "DEFAULT",
        "servingType": "PYTHON",
        "project": "demo",
        "revision": 4,
        "replica": "r1",
        "model": "iris-model",
        "artifactVersion": "MODEL-ONLY",
        "loggingMode": "ALL",
        "samplingPercent": 12.5,
        "requestTimestamp": at // 1000,
        "requestMicros": at % 1000,
        "responseHttpCode": told.record[1],
        "requestId": told.record[2].decode(),
        "protocol": told.record[3],
        "verb": told.record[4],
        "seconds": told.record[5],
        "queueSeconds": told.record[6],
        "preprocessSeconds": told.record[7],
        "predictSeconds": told.record[8],
        "postprocessSeconds": told.record[9],
        "inferenceRequest": told.inputs.text if version == 5 else in_one(told.inputs),
        "requestBytes": told.inputs.size,
        "requestSha256": told.inputs.sha256,
        "inferenceResponse": told.outputs.text if version == 5 else in_one(told.outputs),
        "responseBytes": told.outputs.size,
        "responseSha256": told.outputs.sha256,
        "error": error,
        "keyId": told.record[13] or "",
    }
    schema = fastavro.parse_schema(
        json.loads((shrinking.SCHEMAS / f"inferencelog-v{version}.json").read_text())
    )
    known = {field["name"]: one[field["name"]] for field in schema["fields"]}  # type: ignore[index,call-overload]
    file = io.BytesIO()
    fastavro.schemaless_writer(file, schema, known)
    return known, file.getvalue()


def in_one(body):
    return json.dumps({"size": body.size, "sha256": body.sha256}) if body.sha256 else body.text


@pytest.mark.parametrize("version", [1, 2, 3, 5])
@unhurried
@given(record=RECORDS, inputs=BODIES, outputs=BODIES, error=st.none() | TEXTS)
def test_a_record_is_encoded_as_fastavro_encodes_it(version, record, inputs, outputs, error):
    told = Told(record, inputs, outputs, error)
    document, written = expected(version, told)
    assert encoding.encoder(version, ORIGIN)(told) == written
    assert decoded(written, version) == document


@unhurried
@given(st.integers(-(2**63), 2**63 - 1))
def test_a_long_is_encoded_as_fastavro_encodes_it(number):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, {"type": "long"}, number)
    assert encoding.long(number) == file.getvalue()


def test_what_does_not_fit_into_a_long_is_refused():
    with pytest.raises(ValueError, match="too large"):
        encoding.long(2**63)


def test_text_that_is_no_text_is_written_with_signs_in_its_place():
    told = Told(
        record(0, request_id=b"\xff\0", verb="\ud800", key_id="\udcff"),
        Body("a\ud800", 9),
        Body("", 0),
        "e\0",
    )
    found = decoded(encoding.encoder(5, ORIGIN)(told))
    assert [found[name] for name in ("requestId", "verb", "keyId", "inferenceRequest", "error")] == [
        "\ufffd\ufffd",
        "?",
        "?",
        "a?",
        "e\ufffd",
    ]
    line = json.loads(lines.line("r\ud800", 100.0, told))
    assert (line["request_id"], line["replica"], line["inputs"], line["error"]) == (
        "\ufffd\ufffd",
        "r?",
        "a?",
        "e\ufffd",
    )


def test_a_line_for_the_platform_has_times_in_microseconds_and_null_for_what_is_not_known():
    told = Told(record(1), whole(b"[1]"), Body("", 70_000, "ab" * 32), None)
    assert json.loads(lines.line("r1", 50.0, told)) == {
        "request_id": "call-1",
        "replica": "r1",
        "verb": "predict",
        "protocol": "v1",
        "status": 200,
        "requested_at": 1_760_000_000_123_456,
        "duration_us": 250_000,
        "queue_us": 125_000,
        "preprocess_us": None,
        "predict_us": 62_500,
        "postprocess_us": None,
        "inputs": "[1]",
        "outputs": {"size": 70_000, "sha256": "ab" * 32},
        "inputs_bytes": 3,
        "outputs_bytes": 70_000,
        "error": None,
        "key_id": "k1",
        "sampling_percent": 50.0,
    }


@pytest.mark.parametrize("version", [1, 2, 3, 5])
def test_a_record_shrinks_to_the_digests_of_its_bodies(version):
    told = Told(record(1), whole(b'{"inputs": "' + b"x" * 5000 + b'"}'), whole(b"[1]"), None)
    value = encoding.encoder(version, ORIGIN)(told)
    small = shrinking.avro(version, value)
    before, after = decoded(value, version), decoded(small, version)
    assert len(small) < 700
    kept = {"inferenceRequest", "inferenceResponse", "requestSha256", "responseSha256"}
    assert {k: v for k, v in after.items() if k not in kept} == {
        k: v for k, v in before.items() if k not in kept
    }
    digest = after["requestSha256"] if version == 5 else json.loads(after["inferenceRequest"])["sha256"]
    assert len(digest) == 64


def test_a_message_of_mlrun_shrinks_and_stays_json():
    message = {
        "request": {"inputs": ["x" * 5000]},
        "resp": {"outputs": [1]},
        "microsec": 4,
        "error": "e" * 5000,
    }
    small = json.loads(shrinking.mlrun(json.dumps(message).encode()))
    assert small["microsec"] == 4
    assert (small["request"]["size"], len(small["resp"]["sha256"]), len(small["error"])) == (5016, 64, 1000)


def test_both_planes_have_the_same_schemas():
    ours, theirs = (
        {path.name: path.read_bytes() for path in folder.glob("*.json")}
        for folder in (shrinking.SCHEMAS, ROOT / "serving" / "topics" / "schemas")
    )
    assert len(ours) == 5
    assert ours == theirs
