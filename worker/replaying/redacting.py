"""Applies rules of redaction to new answers, as the records of the same calls went through them."""

import json
from typing import Any

from serving.models import ReplayedCall, Serving
from serving.replays.comparing import Answer
from worker import inference_log
from worker.redacting import Redactor, Rules


class Redacting(Redactor):
    """The rules of all revisions of a serving."""

    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._salt = inference_log.salt(serving)
        self._rules: dict[int, Rules] = dict(serving.revisions.values_list("number", "redaction"))

    def pair(self, call: ReplayedCall, new: Answer, *, revision: int) -> tuple[Answer, Answer]:
        """The recorded and the new answer after the rules of the revision that answered then, and of the one now."""
        then, now = self._of(call.revision), self._of(revision)
        old = Answer(call.status, call.outputs)
        new = self._changed(then, call.inputs, new)
        if now != then:
            old, new = (self._changed(now, call.inputs, answer) for answer in (old, new))
        return old, new

    def _of(self, revision: int) -> Rules:
        """The rules of a revision; those of all of them, if a record does not name its own."""
        if revision in self._rules:
            return self._rules[revision]
        return [rule for number in sorted(self._rules, reverse=True) for rule in self._rules[number]]

    def _changed(self, rules: Rules, inputs: str, answer: Answer) -> Answer:
        if not rules or not answer.body:
            return answer
        if answer.status < 400:
            return Answer(answer.status, self._said(rules, inputs, outputs=answer.body).get("outputs", ""))
        error = self._said(rules, inputs, error=_error_in(answer.body)).get("error")
        return Answer(answer.status, json.dumps({"error": error}) if error else "")

    def _said(
        self, rules: Rules, inputs: str, *, outputs: str | None = None, error: str | None = None
    ) -> dict[str, Any]:
        return self.kept(rules, salt=self._salt, inputs=inputs, outputs=outputs, error=error)


def _error_in(body: str) -> str | None:
    """The sentence of an error's body; None if it is no such body."""
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return said if isinstance(said, str) else None
