"""Messages as servings write them, and what was stored of them."""

import io
import json
import time
from typing import Any

import fastavro

from serving.models import InferenceRecord, Serving, Topic
from serving.topics import schemas

NOW_MS = int(time.time() * 1000)


def said(serving: int, **changes: Any) -> dict[str, Any]:
    """A record of the newest version, which has the fields of those before it."""
    record = {
        "modelId": serving,
        "modelName": "iris",
        "modelVersion": 1,
        "modelServer": "PYTHON",
        "servingTool": "DEFAULT",
        "servingType": "DEFAULT",
        "project": "garden",
        "revision": 2,
        "replica": "r2-0-1",
        "model": "iris",
        "artifactVersion": "1",
        "loggingMode": "ALL",
        "samplingPercent": 100.0,
        "requestTimestamp": NOW_MS,
        "requestMicros": 250,
        "responseHttpCode": 200,
        "requestId": "a",
        "protocol": "v1",
        "verb": "predict",
        "seconds": 0.0012,
        "queueSeconds": 0.0001,
        "preprocessSeconds": -1.0,
        "predictSeconds": 0.0008,
        "postprocessSeconds": 0.0,
        "inferenceRequest": '{"instances": [[1, 2]]}',
        "requestBytes": 23,
        "requestSha256": "",
        "inferenceResponse": '{"predictions": [3]}',
        "responseBytes": 20,
        "responseSha256": "",
        "error": "",
        "keyId": "abc",
    }
    assert not changes.keys() - record.keys()
    return record | changes


def avro(record: dict[str, Any], version: int = schemas.CURRENT) -> bytes:
    schema = fastavro.parse_schema(schemas.document(version))
    file = io.BytesIO()
    fastavro.schemaless_writer(file, schema, record)
    return file.getvalue()


def good(serving: int, **changes: Any) -> bytes:
    return avro(said(serving, **changes))


def numbered(serving: int, number: int) -> bytes:
    return good(serving, requestId=f"n{number}")


def mlrun(**changes: Any) -> bytes:
    record = {
        "class": "Iris",
        "worker": 0,
        "model": "iris",
        "version": "",
        "host": "r2-0-1",
        "function_uri": "garden/iris",
        "request": {"id": "a", "inputs": [[1, 2]]},
        "op": "infer",
        "resp": {"id": "a", "model_name": "iris", "outputs": [3]},
        "when": "2026-11-20 10:00:00.123456+00:00",
        "microsec": 1200,
    }
    return json.dumps({name: value for name, value in (record | changes).items() if value != "-"}).encode()


def ids() -> set[str]:
    return set(InferenceRecord.objects.values_list("request_id", flat=True))


def logs_into(serving: Serving, topic: Topic) -> Topic:
    """Revisions are immutable to users; here one is told where it logs."""
    serving.revisions.update(topic=topic.name)
    return topic
