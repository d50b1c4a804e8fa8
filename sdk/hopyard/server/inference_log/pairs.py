"""A call as CloudEvents 1.0 in binary mode, as KServe's logger sends them: one of the request, one of the response.

It differs where KServe's logger falls short: calls of every status are told, and the response has its own content type.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from hopyard.server.inference_log import records
from hopyard.server.inference_log.bodies import Body, Given
from hopyard.server.inference_log.encoding import Origin, Told

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
JSON = "application/json"
OCTETS = "application/octet-stream"
_ASCII = "".join(map(chr, range(0x21, 0x7F))).replace("%", "").replace('"', "")


@dataclass(frozen=True, slots=True)
class Event:
    """What is posted."""

    headers: Mapping[str, str]
    body: bytes


class Pairs:
    """The events of one serving's calls. `exact`: whether bodies go as they were on the wire, which they may where no
    rule of redaction is about them.
    """

    def __init__(self, origin: Origin, *, exact: bool) -> None:
        self._exact = exact
        self._tells_request = origin.logging_mode in ("ALL", "MODEL_INPUTS")
        self._tells_response = origin.logging_mode in ("ALL", "PREDICTIONS")
        self._shared = {
            "ce-specversion": "1.0",
            "ce-source": f"/inference/{quote(origin.project)}/{quote(origin.serving)}",
            "ce-inferenceservicename": _ascii(origin.serving),
            "ce-namespace": _ascii(origin.project),
            "ce-component": "predictor",
            "ce-endpoint": "default",
        }

    def of(self, told: Told) -> Iterator[Event]:
        """The events that the serving's mode asks for."""
        record = told.record
        extra: Mapping[str, Any] = record[records.EXTRA] or {}
        began, seconds = record[records.REQUESTED_AT], record[records.SECONDS]
        identity = extra.get("ce_id") or record[records.REQUEST_ID]
        if self._tells_request:
            body, kind = self._body(record[records.INPUTS], told.inputs, extra.get("content_type"))
            yield self._event(REQUEST, identity, began, kind, body)
        if self._tells_response:
            body, kind = self._body(record[records.OUTPUTS], told.outputs, extra.get("answer_type"))
            if told.error is not None and not body:
                body, kind = orjson.dumps({"error": told.error}), JSON
            status = {"ce-status": str(record[records.STATUS])}
            yield self._event(RESPONSE, identity, began + seconds, kind, body, status)

    def _event(
        self,
        kind: str,
        identity: str | bytes,
        at: float,
        content_type: str,
        body: bytes,
        more: Mapping[str, str] | None = None,
    ) -> Event:
        own = {
            "ce-id": _ascii(identity.decode(errors="replace") if isinstance(identity, bytes) else identity),
            "ce-type": kind,
            "ce-time": datetime.fromtimestamp(at, UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z"),
            "Content-Type": content_type,
        }
        return Event({**self._shared, **own, **(more or {})}, body)

    def _body(self, raw: Given, kept: Body, kind: Any) -> tuple[bytes, str]:
        """The data and its content type: that of the wire, if it is true of the data."""
        given = _ascii(kind.decode("latin-1") if isinstance(kind, bytes) else str(kind or ""))
        if self._exact and isinstance(raw, bytes):
            is_json = bool(kept.text)
            is_other = given.partition(";")[0].strip() in ("", OCTETS, "application/grpc")
            return raw, (JSON if is_json else OCTETS) if is_other else given
        if kept.text:
            return kept.text.encode(errors="replace"), given if "json" in given else JSON
        if kept.sha256:
            return orjson.dumps({"size": kept.size, "sha256": kept.sha256}), JSON
        return b"", given or JSON


def _ascii(text: str) -> str:
    """As CloudEvents' HTTP binding writes it: anything but visible ASCII as %XX of its UTF-8, the space too."""
    return (
        quote(text.encode(errors="replace"), safe=_ASCII) if not text.isascii() or _is_unsafe(text) else text
    )


def _is_unsafe(text: str) -> bool:
    return not text.isprintable() or any(sign in text for sign in '%"')
