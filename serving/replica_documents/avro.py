"""Inference records that replicas posted, as the Avro values of their topic."""

import functools
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import fastavro

from serving.models import Revision, Serving
from serving.topics import schemas

MODEL_SERVER = "PYTHON"
SERVING_TOOL = "DEFAULT"
SECOND_US = 1_000_000

Body = str | Mapping[str, Any] | None
"""A text, or the size and sha256 of one that is not kept."""


def writer(serving: Serving, revision: Revision, version: int) -> Callable[[Mapping[str, Any]], bytes]:
    """What encodes records of a revision's replicas in this version of the schema."""
    shared = _shared(serving, revision)
    schema = _schema(version)
    fields = _newest if version == schemas.CURRENT else _as_hopsworks

    def write(record: Mapping[str, Any]) -> bytes:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, shared | fields(record))
        return stream.getvalue()

    return write


@functools.cache
def _schema(version: int) -> Any:
    return fastavro.parse_schema(schemas.document(version))


def _shared(serving: Serving, revision: Revision) -> dict[str, Any]:
    """What is not for the replica to say; a version takes of it what it has."""
    return {
        "modelId": serving.pk,
        "modelName": serving.name,
        "modelVersion": revision.model_version.number,
        "modelServer": MODEL_SERVER,
        "servingType": MODEL_SERVER,
        "servingTool": SERVING_TOOL,
        "project": serving.project.name,
        "revision": revision.number,
        "model": revision.model_version.model.name,
        "artifactVersion": revision.artifact_label,
        "loggingMode": revision.inference_logging,
        "samplingPercent": revision.sampling_percent,
    }


def _newest(record: Mapping[str, Any]) -> dict[str, Any]:
    milliseconds, microseconds = divmod(record["requested_at"], 1000)
    inputs, outputs = record["inputs"], record["outputs"]
    return {
        "requestTimestamp": milliseconds,
        "requestMicros": microseconds,
        "responseHttpCode": record["status"],
        "replica": record["replica"],
        "requestId": record["request_id"],
        "protocol": record["protocol"] or "",
        "verb": record["verb"],
        "seconds": record["duration_us"] / SECOND_US,
        "queueSeconds": _seconds(record["queue_us"]),
        "preprocessSeconds": _seconds(record["preprocess_us"]),
        "predictSeconds": _seconds(record["predict_us"]),
        "postprocessSeconds": _seconds(record["postprocess_us"]),
        "inferenceRequest": inputs if isinstance(inputs, str) else "",
        "requestBytes": _size(inputs, record["inputs_bytes"]),
        "requestSha256": inputs["sha256"] if isinstance(inputs, Mapping) else "",
        "inferenceResponse": outputs if isinstance(outputs, str) else "",
        "responseBytes": _size(outputs, record["outputs_bytes"]),
        "responseSha256": outputs["sha256"] if isinstance(outputs, Mapping) else "",
        "error": record["error"] or "",
        "keyId": record["key_id"] or "",
    }


def _as_hopsworks(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "requestTimestamp": record["requested_at"] // 1000,
        "responseHttpCode": record["status"],
        "inferenceRequest": _in_one(record["inputs"]),
        "inferenceResponse": _in_one(record["outputs"]),
    }


def _seconds(microseconds: int | None) -> float:
    return -1.0 if microseconds is None else microseconds / SECOND_US


def _size(body: Body, said: int) -> int:
    return int(body["size"]) if isinstance(body, Mapping) else said


def _in_one(body: Body) -> str:
    """Where there is one field for it."""
    return json.dumps(body) if isinstance(body, Mapping) else body or ""
