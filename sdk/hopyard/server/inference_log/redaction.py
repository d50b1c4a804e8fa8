"""What of a call may leave its replica: bodies and errors, changed by the rules of redaction.

It fails closed: of a body that rules cannot be applied to, only the size and a digest are kept, and of an error that
may quote such a body, or an answer that nobody has seen, only its class. The digest is a salted one, the same for the
same body of the same serving: by its plain sha256 a short body could be guessed. Texts are matched for SECONDS at most
a call; beyond that the call counts as such a body.
"""

import functools
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import orjson

from hopyard.server.bodies import codec
from hopyard.server.failures import without_text
from hopyard.server.inference_log import bodies
from hopyard.server.inference_log.bodies import Body, Given
from hopyard.server.inference_log.matching import TookTooLong, matches, within
from hopyard.server.inference_log.quoting import without
from hopyard.server.inference_log.records import EXTRA, REQUEST_ID, Record
from hopyard.server.inference_log.rules import Rule, rule_of
from hopyard.server.inference_log.walking import Sorted, Walk, hashed

SECONDS = 0.25
NOT_KEPT = "not kept, as it may quote what could not be redacted"
TOO_SLOW = "Redacting a record took more than its time; its bodies are kept by size and digest only"
_CUT = "..."
UNREADABLE = (codec.BadBody, RecursionError, ValueError, TypeError)

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
        self._salt = salt
        self.inputs = Sorted.of([rule for rule in rules if rule.is_about("inputs")], salt)
        self.outputs = Sorted.of([rule for rule in rules if rule.is_about("outputs")], salt)
        self._anywhere = Sorted.of([rule for rule in rules if rule.pattern], salt)
        self.beside = Sorted.of(rules, salt)
        self.needs_inputs = any(rule.is_of_place for rule in rules if rule.is_about("inputs"))
        self.needs_outputs = any(rule.is_of_place for rule in rules if rule.is_about("outputs"))

    @classmethod
    def of(cls, rules: Iterable[Mapping[str, Any]], salt: str = "") -> "Redaction":
        """Read rules as a revision has them; `salt` goes before what is hashed. Raises ValueError."""
        return cls(tuple(rule_of(each) for each in rules), salt.encode())

    def kept(self, inputs: Given, outputs: Given, error: str | None = None, *, has_run: bool = True) -> Kept:
        """What is kept of one call; a body of None was not asked for. `has_run`: whether the model may have made an
        answer that an error quotes, though the caller did not get it.
        """
        if not self.rules:
            return Kept(bodies.whole(inputs), bodies.whole(outputs), error)
        try:
            with within(SECONDS) if error or self._anywhere.patterns else nullcontext():
                kept = self._changed(inputs, outputs, error, has_run)
        except TookTooLong:
            say(TOO_SLOW)
            kept = Kept(_digest(inputs), _digest(outputs), class_of(error) if error else error)
        return Kept(self._salted(kept.inputs), self._salted(kept.outputs), kept.error)

    def named(self, record: Record) -> Record:
        """The record of a call with a hash in place of each of the caller's names for it that a pattern matches: the
        same one for the same name.
        """
        if not self._anywhere.patterns:
            return record
        extra = record[EXTRA] or {}
        names = {"": record[REQUEST_ID].decode(errors="replace"), **extra}
        texts = {key: text for key, text in names.items() if isinstance(text, str)}
        try:
            with within(SECONDS):
                matched = [key for key, text in texts.items() if self._is_matched(text)]
        except TookTooLong:
            say(TOO_SLOW)
            matched = list(texts)
        names |= {key: hashed(texts[key], self._anywhere.salt) for key in matched}
        request_id = names.pop("").encode(errors="replace")
        return (*record[:REQUEST_ID], request_id, *record[REQUEST_ID + 1 : EXTRA], names if extra else None)

    def _changed(self, inputs: Given, outputs: Given, error: str | None, has_run: bool) -> Kept:
        asked, answered = Walk(self.inputs), Walk(self.outputs)
        before, after = _body(inputs, asked), _body(outputs, answered)
        if error:
            is_unseen = self.needs_inputs and not before.text and inputs != b""
            is_unseen |= self.needs_outputs and not after.text and (has_run or bool(after.sha256))
            error = class_of(error) if is_unseen else self.error_without(error, [*asked.gone, *answered.gone])
        return Kept(before, after, error)

    def error_without(self, text: str, gone: Sequence[Any]) -> str:
        """An error without the patterns' matches, and without what the bodies no longer have. Where it was cut, so may
        be a match.
        """
        patterns = [pattern for pattern, _ in self._anywhere.patterns]
        spans = [span for pattern in patterns for span in matches(pattern, text)]
        if patterns and text.endswith(_CUT):
            whole = text.removesuffix(_CUT)
            spans.append((whole.rfind(" ") + 1, len(whole)))
        return without(text, gone, spans)

    def salted(self, sha256: str) -> str:
        """A digest in the place of one that a short body could be guessed by."""
        return hashlib.sha256(self._salt + sha256.encode()).hexdigest()

    def _salted(self, body: Body) -> Body:
        return body._replace(sha256=self.salted(body.sha256)) if body.sha256 else body

    def _is_matched(self, text: str) -> bool:
        return any(True for pattern, _ in self._anywhere.patterns for _ in matches(pattern, text))


def class_of(error: str) -> str:
    """What is kept of an error whose text is not."""
    return without_text(error, NOT_KEPT)


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
    except UNREADABLE:
        return bodies.digest(raw)
    return Body(text, len(raw))


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
def say(sentence: str) -> None:
    """Once a process: the same happens for every call."""
    log.warning("%s", sentence)
