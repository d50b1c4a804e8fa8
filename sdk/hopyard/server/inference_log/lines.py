"""A record as a line of JSON, which the platform takes where a replica may not write to its topic."""

from typing import Any

import orjson

from hopyard.server.failures import writable
from hopyard.server.inference_log import records
from hopyard.server.inference_log.bodies import Body
from hopyard.server.inference_log.encoding import Told


def line(replica: str, sampling_percent: float, told: Told) -> bytes:
    record = told.record
    document: dict[str, Any] = {
        "request_id": writable(record[records.REQUEST_ID].decode(errors="replace")),
        "replica": writable(replica),
        "verb": writable(record[records.VERB]),
        "protocol": writable(record[records.PROTOCOL]),
        "status": record[records.STATUS],
        "requested_at": round(record[records.REQUESTED_AT] * 1_000_000),
        "duration_us": round(record[records.SECONDS] * 1_000_000),
        "queue_us": _microseconds(record[records.QUEUE]),
        "preprocess_us": _microseconds(record[records.PREPROCESS]),
        "predict_us": _microseconds(record[records.PREDICT]),
        "postprocess_us": _microseconds(record[records.POSTPROCESS]),
        "inputs": _body(told.inputs),
        "outputs": _body(told.outputs),
        "inputs_bytes": told.inputs.size,
        "outputs_bytes": told.outputs.size,
        "error": None if told.error is None else writable(told.error),
        "key_id": None if record[records.KEY_ID] is None else writable(record[records.KEY_ID]),
        "sampling_percent": sampling_percent,
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def message(replica: str, text: bytes) -> bytes:
    """One of MLRun's records, which are encoded already."""
    document = {"replica": writable(replica), "message": text.decode(errors="replace")}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _microseconds(seconds: float) -> int | None:
    return None if seconds < 0 else round(seconds * 1_000_000)


def _body(body: Body) -> str | dict[str, Any] | None:
    if body.sha256:
        return {"size": body.size, "sha256": body.sha256}
    return body.text.encode(errors="replace").decode() or None
