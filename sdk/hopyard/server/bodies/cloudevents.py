"""CloudEvents 1.0 over HTTP around a V1 exchange: out of the request, and around the answer. Pure functions.

Binary mode has the attributes in `ce-` headers and the data as the body, structured mode an envelope as the body.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from hopyard.server.bodies import codec
from hopyard.server.bodies.headers import lines
from hopyard.server.replies import JSON, Problem, Reply

STRUCTURED = b"application/cloudevents+json"
REQUIRED = (b"ce-specversion", b"ce-id", b"ce-source", b"ce-type")
ENVELOPE = ("time", "type", "source", "id", "specversion", "data")
PER_ANSWER = ("id", "time", "datacontenttype", "specversion", "type", "source")
_JSON_TYPES = (JSON, STRUCTURED)


@dataclass(frozen=True, slots=True)
class Event:
    """One event that was received. `mode` is how the answer goes: `binary`, `structured`, or `plain` JSON."""

    data: Any
    attributes: Mapping[str, Any]
    mode: str


@dataclass(frozen=True, slots=True)
class Manners:
    """How answers are marked: `merge` keeps the request's other attributes; empty texts mean KServe's defaults."""

    merge: bool = False
    kind: str = ""
    source: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Manners":
        """Read CE_MERGE, CE_TYPE and CE_SOURCE."""
        merge = environ.get("CE_MERGE", "").lower() == "true"
        return cls(merge, environ.get("CE_TYPE", ""), environ.get("CE_SOURCE", ""))


def is_binary(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the required attributes are all in the headers."""
    return b"ce-specversion" in headers and all(name in headers for name in REQUIRED)


def unwrap_binary(headers: Mapping[bytes, bytes], body: bytes) -> Event:
    """Return the event of a request in binary mode; its data is a value if it is JSON, else bytes.

    Raises Problem 400 for data that claims to be JSON and is not.
    """
    attributes = {
        name[3:].decode(): headers[name].decode("latin-1") for name in headers if name[:3] == b"ce-"
    }
    try:
        data = codec.parse(body)
    except codec.BadBody as error:
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind in _JSON_TYPES:
            sentence = f"Failed to decode or parse binary json cloudevent: {error.sentence}"
            raise Problem(400, sentence, "BadBody") from None
        data = body
    return Event(data, attributes, "binary")


def unwrap_document(document: Any, content_type: bytes | None) -> Event | None:
    """Return the event whose envelope a JSON body is; None if it is none."""
    if (
        type(document) is not dict
        or "specversion" not in document
        or any(n not in document for n in ENVELOPE)
    ):
        return None
    attributes = {name: value for name, value in document.items() if name != "data"}
    mode = "structured" if content_type is not None and content_type.startswith(STRUCTURED) else "plain"
    return Event(document["data"], attributes, mode)


def unwrap(headers: Mapping[bytes, bytes], body: bytes) -> Event | None:
    """Return the event that a request is, or None. Raises Problem 400."""
    if is_binary(headers):
        return unwrap_binary(headers, body)
    if b'"specversion"' not in body:
        return None
    try:
        return unwrap_document(codec.parse(body), headers.get(b"content-type"))
    except codec.BadBody:
        return None  # whoever reads the body next says what is wrong with it


def wrap(body: bytes, event: Event, model: str, manners: Manners) -> Reply:
    """Return the answer to an event around a body of JSON."""
    if event.mode == "plain":
        return Reply(body)
    attributes = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": manners.source or f"io.kserve.inference.{model}",
        "type": manners.kind or "io.kserve.inference.response",
        "time": datetime.now(UTC).isoformat(),
    }
    if manners.merge:
        attributes |= {k: str(v) for k, v in event.attributes.items() if k not in PER_ANSWER}
    if event.mode == "binary":
        return Reply(body, headers=lines({f"ce-{name}": value for name, value in attributes.items()}))
    envelope = orjson.dumps({**attributes, "datacontenttype": "application/json"})
    return Reply(b'%b,"data":%b}' % (envelope[:-1], body), content_type=STRUCTURED)
