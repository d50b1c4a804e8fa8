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
FAILED = 500


@dataclass(frozen=True)
class Reason:
    """Why a request was put aside; `is_ours` if the sentence is the platform's own, and quotes nothing of it."""

    text: str
    is_ours: bool
    status: int | None = None


@dataclass(frozen=True)
class Shown:
    """A request and the reason why it was put aside, as they may be shown."""

    value: bytes
    reason: str


class Hiding:
    """For the requests of one serving. To be closed."""

    def __init__(self, serving_id: int) -> None:
        self._serving_id = serving_id
        self._redactor = Redactor()

    def close(self) -> None:
        self._redactor.close()

    def shown(self, letters: Sequence[tuple[Message, Reason]]) -> list[Shown]:
        """Messages and reasons after the rules of the present revision, and of its canary."""
        found = Serving.objects.select_related("revision", "canary", "project").filter(pk=self._serving_id)
        serving = found.first()
        if serving is None:
            return [_hidden(reason) for _, reason in letters]
        rules = [rule for each in (serving.revision, serving.canary) if each for rule in each.redaction]
        if not rules:
            return [Shown(message.value or message.skipped, reason.text) for message, reason in letters]
        salt = inference_log.salt(serving)
        return [self._shown(rules, salt, message, reason) for message, reason in letters]

    def _shown(self, rules: Rules, salt: str, message: Message, reason: Reason) -> Shown:
        try:
            body = read(message).body.decode()
        except (Unusable, UnicodeDecodeError):
            return _hidden(reason)
        has_run = reason.status is None or reason.status >= FAILED
        kept = self._redactor.kept(rules, salt=salt, inputs=body, error=reason.text, has_run=has_run)
        if not kept.get("inputs"):
            return _hidden(reason)
        said = reason.text if reason.is_ours else kept.get("error") or REASON_NOT_KEPT
        return Shown(_in_its_event(message, kept["inputs"]), said)


def _hidden(reason: Reason) -> Shown:
    return Shown(b"", f"{reason.text if reason.is_ours else REASON_NOT_KEPT} {NOT_KEPT}")


def _in_its_event(message: Message, body: str) -> bytes:
    """The body in the wrapping that it came in, of which only what we know is kept."""
    document = json.loads(message.value or b"")
    if document.get("full_event_wrapper") is not True or "body" not in document:
        return body.encode()
    return json.dumps({"full_event_wrapper": True, "body": json.loads(body)}).encode()
