"""Rules of redaction for a record of MLRun's layout, single or batched, as scripts write them."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from hopyard.server.bodies import codec
from hopyard.server.inference_log.matching import TookTooLong, within
from hopyard.server.inference_log.redaction import SECONDS, TOO_SLOW, UNREADABLE, Redaction, class_of, say
from hopyard.server.inference_log.walking import Walk

NOT_REDACTED = "A record of the script's cannot be redacted; its bodies are kept by size and digest only"
_OF_SERVER = {
    "class",
    "worker",
    "model",
    "version",
    "host",
    "function_uri",
    "endpoint_id",
    "when",
    "microsec",
}
_OF_SERVER |= {"sampling_percentage", "effective_sample_count"}
"""Fields of the layout that tell of the server, and not of a call."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def redacted(redaction: Redaction, raw: bytes) -> bytes:
    """The record with the rules applied to all that is of a call."""
    if not redaction.rules:
        return raw
    record = codec.parse(raw)
    try:
        with within(SECONDS):
            return orjson.dumps(_message(redaction, record))
    except TookTooLong:
        say(TOO_SLOW)
    except UNREADABLE:
        say(NOT_REDACTED)
    return orjson.dumps(_bare(redaction, record))


def _message(redaction: Redaction, record: dict[str, Any]) -> dict[str, Any]:
    headers, rows = record.get("headers"), record.get("values")
    if headers is None or rows is None:
        return _fields(redaction, record)
    changed = [_fields(redaction, dict(zip(headers, row, strict=True))) for row in rows]
    beside = {key: value for key, value in record.items() if key not in ("headers", "values")}
    return _fields(redaction, beside) | {
        "headers": headers,
        "values": [list(each.values()) for each in changed],
    }


def _fields(redaction: Redaction, record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one record, or of a row of many; what is removed leaves a null."""
    asked, answered, beside = (
        Walk(rules) for rules in (redaction.inputs, redaction.outputs, redaction.beside)
    )
    walks = {"request": asked, "resp": answered}
    new: dict[str, Any] = {}
    for key, value in record.items():
        if key in walks:
            changed = walks[key].document(value)
            new[key] = _salted(redaction, changed) if _is_digest(changed) else changed
        elif key == "error" or (key in _OF_SERVER and not isinstance(value, dict | list)):
            new[key] = value
        else:
            new |= beside.document({key: value}) or {key: None}
    if new.get("error"):
        is_unseen = redaction.needs_inputs and not _is_whole(record.get("request"))
        is_unseen |= redaction.needs_outputs and not _is_whole(record.get("resp"))
        text, gone = str(new["error"]), [*asked.gone, *answered.gone, *beside.gone]
        new["error"] = class_of(text) if is_unseen else redaction.error_without(text, gone)
    return new


def _is_whole(body: Any) -> bool:
    """Whether a request or response is there, and not by its size and digest only."""
    return body is not None and not _is_digest(body)


def _is_digest(body: Any) -> bool:
    if not isinstance(body, dict) or body.keys() != {"size", "sha256"}:
        return False
    size, digest = body["size"], body["sha256"]
    return type(size) is int and isinstance(digest, str) and _SHA256.fullmatch(digest) is not None


def _bare(redaction: Redaction, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without anything that rules may be about."""
    bare: dict[str, Any] = {}
    for key, value in record.items():
        if key in _OF_SERVER and not isinstance(value, dict | list):
            bare[key] = value
        elif key in ("request", "resp"):
            bare[key] = _sized(redaction, value)
        else:
            bare[key] = {} if isinstance(value, dict) else None
    if bare.keys() >= {"error"}:
        bare["error"] = class_of(str(record["error"])) if record["error"] else None
    if isinstance(record.get("headers"), list) and isinstance(record.get("values"), list):
        rows = [dict(zip(record["headers"], row, strict=True)) for row in record["values"]]
        bare |= {
            "headers": record["headers"],
            "values": [list(_bare(redaction, row).values()) for row in rows],
        }
    return bare


def _sized(redaction: Redaction, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if _is_digest(value):
        return _salted(redaction, value)
    text = json.dumps(value).encode()
    return {"size": len(text), "sha256": redaction.salted(hashlib.sha256(text).hexdigest())}


def _salted(redaction: Redaction, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"size": body["size"], "sha256": redaction.salted(body["sha256"])}
