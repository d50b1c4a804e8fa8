"""What the platform keeps of requests that were put aside: as the rules of redaction leave them.

The topic of dead letters has them whole, as the input topic has, to be sent again; pages and the API show these.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from serving.models import Serving
from serving.topics.broker import Message
from worker import inference_log
from worker.redacting import Redactor, Rules
from worker.streaming.requests import Unusable, read

NOT_KEPT = "It is not kept here, as the rules of redaction cannot be applied to it."
REASON_NOT_KEPT = "The reason is not kept here, as it may quote what could not be redacted."


@dataclass(frozen=True)
class Reason:
    """Why a request was put aside; `is_ours` if the sentence is the platform's own, and quotes nothing of it."""

    text: str
    is_ours: bool


@dataclass(frozen=True)
class Shown:
    """A request and the reason why it was put aside, as they may be shown."""

    value: bytes
    reason: str


def shown(serving_id: int, letters: Sequence[tuple[Message, Reason]]) -> list[Shown]:
    """Messages and reasons after the rules of the serving's present revision, and of its canary."""
    serving = Serving.objects.select_related("revision", "canary", "project").filter(pk=serving_id).first()
    rules = _rules(serving) if serving else []
    if not rules:
        return [Shown(message.value or message.skipped, reason.text) for message, reason in letters]
    assert serving is not None, "it has rules"
    with Redactor() as redactor:
        salt = inference_log.salt(serving)
        return [_shown(redactor, rules, salt, message, reason) for message, reason in letters]


def _rules(serving: Serving) -> Rules:
    return [rule for each in (serving.revision, serving.canary) if each for rule in each.redaction]


def _shown(redactor: Redactor, rules: Rules, salt: str, message: Message, reason: Reason) -> Shown:
    try:
        body = read(message).body.decode(errors="replace")
    except Unusable:  # whose reason is ours, and quotes nothing
        return Shown(b"", f"{reason.text} {NOT_KEPT}")
    kept = redactor.kept(rules, salt=salt, inputs=body, error=reason.text)
    said = reason.text if reason.is_ours else kept.get("error") or REASON_NOT_KEPT
    if not kept.get("inputs"):
        return Shown(b"", f"{said} {NOT_KEPT}")
    return Shown(_in_its_event(message, kept["inputs"]), said)


def _in_its_event(message: Message, body: str) -> bytes:
    """The body in the wrapping that it came in, of which only what we know is kept."""
    document = json.loads(message.value or b"")
    if document.get("full_event_wrapper") is not True or "body" not in document:
        return body.encode()
    return json.dumps({"full_event_wrapper": True, "body": json.loads(body)}).encode()
