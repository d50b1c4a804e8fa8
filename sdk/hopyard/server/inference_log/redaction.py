"""What of a call may leave its replica: bodies and errors, changed by the rules of redaction.

It fails closed: of a body that rules cannot be applied to, only the size and the sha256 are kept, and of an error that
may quote such a body nothing. Texts are matched for SECONDS at most a call; beyond that the call counts as such a body.
"""

import functools
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import orjson

from hopyard.server.bodies import codec
from hopyard.server.inference_log import bodies
from hopyard.server.inference_log.bodies import Body, Given
from hopyard.server.inference_log.matching import TookTooLong, within
from hopyard.server.inference_log.quoting import without
from hopyard.server.inference_log.rules import Rule, rule_of
from hopyard.server.inference_log.walking import Sorted, Walk

SECONDS = 0.25
NOT_KEPT = "not kept, as it may quote a body that could not be redacted"
_UNREADABLE = (codec.BadBody, RecursionError, ValueError, TypeError)

log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """What is kept of one call."""

    inputs: Body
    outputs: Body
    error: str | None


class Redaction:
    """The rules of one serving. Its methods are for the main thread of a process: only there a regular expression
    that takes too long can be ended.
    """

    def __init__(self, rules: Sequence[Rule], salt: bytes) -> None:
        self.rules = rules
        self._inputs = Sorted.of([rule for rule in rules if rule.is_about("inputs")], salt)
        self._outputs = Sorted.of([rule for rule in rules if rule.is_about("outputs")], salt)
        self._anywhere = Sorted.of([rule for rule in rules if rule.pattern], salt)

    @classmethod
    def of(cls, rules: Iterable[Mapping[str, Any]], salt: str = "") -> "Redaction":
        """Read rules as a revision has them; `salt` goes before what is hashed. Raises ValueError."""
        return cls(tuple(rule_of(each) for each in rules), salt.encode())

    def kept(self, inputs: Given, outputs: Given, error: str | None = None) -> Kept:
        """What is kept of one call; a body of None was not asked for."""
        if not self.rules:
            return Kept(bodies.whole(inputs), bodies.whole(outputs), error)
        try:
            with within(SECONDS) if error or self._anywhere.patterns else nullcontext():
                return self._changed(inputs, outputs, error)
        except TookTooLong:
            _say("Redacting a record took more than its time; its bodies are kept by size and digest only")
            return Kept(_digest(inputs), _digest(outputs), NOT_KEPT if error else error)

    def message(self, raw: bytes) -> bytes:
        """A record of MLRun's layout, single or batched, with the rules applied to requests, responses and errors."""
        if not self.rules:
            return raw
        try:
            with within(SECONDS):
                return orjson.dumps(self._message(codec.parse(raw)))
        except (TookTooLong, *_UNREADABLE):
            _say("Redacting a record took more than its time; its bodies are kept by size and digest only")
            return orjson.dumps(_bare(codec.parse(raw)))

    def _changed(self, inputs: Given, outputs: Given, error: str | None) -> Kept:
        asked, answered = Walk(self._inputs), Walk(self._outputs)
        before, after = _body(inputs, asked), _body(outputs, answered)
        if error:
            is_unread = bool(self._inputs.top) and not before.text and inputs != b""
            is_unread |= bool(self._outputs.top) and bool(after.sha256)
            error = NOT_KEPT if is_unread else self._error(error, [*asked.gone, *answered.gone])
        return Kept(before, after, error)

    def _message(self, record: dict[str, Any]) -> dict[str, Any]:
        headers, rows = record.get("headers"), record.get("values")
        if headers is None or rows is None:
            return self._fields(record)
        changed = [self._fields(dict(zip(headers, row, strict=True))) for row in rows]
        return {**self._fields(record), "values": [list(each.values()) for each in changed]}

    def _fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of one record, or of a row of many."""
        asked, answered, patterns = Walk(self._inputs), Walk(self._outputs), Walk(self._anywhere)
        walks = {"request": asked, "resp": answered, "metrics": patterns, "labels": patterns}
        new = {key: walks[key].document(value) for key, value in record.items() if key in walks}
        if record.get("error"):
            is_unread = bool(self._inputs.top) and not _is_whole(record.get("request"))
            gone = [*asked.gone, *answered.gone]
            new["error"] = NOT_KEPT if is_unread else self._error(str(record["error"]), gone)
        return {**record, **new}

    def _error(self, text: str, gone: Sequence[Any]) -> str:
        """An error without the patterns' matches, and without what the bodies no longer have."""
        return without(Walk(self._anywhere).text(text), gone)


def _body(raw: Given, walk: Walk) -> Body:
    """A body as rules change it; written anew even where nothing did, as JSON can hide values in keys given twice."""
    if not raw:
        return bodies.NOTHING
    if isinstance(raw, tuple) or len(raw) > bodies.MOST_BYTES:
        return _digest(raw)
    try:
        document = codec.parse(raw)
        if isinstance(document, str):
            document = _encoded_twice(document)
        text = orjson.dumps(walk.document(document)).decode()
    except _UNREADABLE:
        return bodies.digest(raw)
    return Body(text, len(raw))


def _is_whole(request: Any) -> bool:
    """Whether a request of MLRun's layout is there, and not by its size and digest only."""
    return request is not None and not (isinstance(request, dict) and request.keys() == {"size", "sha256"})


def _bare(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of MLRun's layout without anything that rules may be about."""
    bare = {key: _sized(value) if key in ("request", "resp") else value for key, value in record.items()}
    bare |= {key: new for key, new in (("metrics", {}), ("labels", {}), ("error", NOT_KEPT)) if bare.get(key)}
    if "headers" in record and "values" in record:
        rows = [dict(zip(record["headers"], row, strict=True)) for row in record["values"]]
        bare["values"] = [list(_bare(row).values()) for row in rows]
    return bare


def _sized(value: Any) -> dict[str, Any] | None:
    text = json.dumps(value).encode()
    return value if value is None else {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}


def _encoded_twice(text: str) -> Any:
    """Clients of MLRun send JSON in a string of JSON; any other string is its own document."""
    try:
        return codec.parse(text.encode())
    except codec.BadBody:
        return text


def _digest(raw: Given) -> Body:
    if isinstance(raw, tuple):
        return Body("", *raw)
    return bodies.digest(raw) if raw else bodies.NOTHING


@functools.cache
def _say(sentence: str) -> None:
    """Once a process: the same happens for every call."""
    log.warning("%s", sentence)
