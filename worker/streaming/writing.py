"""What is written to topics: answers, and requests that were put aside."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from serving.topics.broker import Message
from worker.streaming.replies import Reply
from worker.streaming.requests import Request, id_of

OURS = frozenset({"status", "when", "microsec", "request"})
LONGEST_REASON = 4000
KEPT_BYTES = 64 * 1024
"""How much is kept of a request that is too large to be put aside whole."""


def answer(message: Message, request: Request, reply: Reply, serving: str) -> bytes:
    """A replica's answer as a message, after MLRun's envelope: what the replica said, with `id` and `model_name`, and
    `status`, `when`, `microsec` and `request`. One that is no object, or has keys of those names, is `outputs`.
    """
    said = _document(reply)
    if not OURS.isdisjoint(said):
        said = {"outputs": said}
    return _dumped(
        {
            "id": request.id,
            "model_name": serving,
            **said,
            **({"id": request.id} if "id" in said else {}),
            "status": reply.status,
            "when": str(datetime.fromtimestamp(reply.asked_at, UTC)),
            "microsec": round(reply.seconds * 1_000_000),
            "request": place(message),
        }
    )


def dead(
    message: Message, *, code: str, reason: str, status: int | None, attempts: int, serving: str
) -> bytes:
    """A request that was put aside, with its own bytes: as `message` where they are text, else as `message_base64`."""
    return _dumped(
        _about(message, code=code, reason=reason, status=status, attempts=attempts, serving=serving)
        | _kept("message", message.value or message.skipped)
    )


def dead_in_short(
    message: Message, *, code: str, reason: str, status: int | None, attempts: int, serving: str
) -> bytes:
    """The same of one that is too large: its first bytes, its size and its digest."""
    value = message.value or message.skipped
    return _dumped(
        _about(message, code=code, reason=reason, status=status, attempts=attempts, serving=serving)
        | {"size": len(value), "sha256": hashlib.sha256(value).hexdigest()}
        | {"message_base64": base64.b64encode(value[:KEPT_BYTES]).decode()}
    )


def place(message: Message) -> dict[str, Any]:
    return {"topic": message.topic, "partition": message.partition, "offset": message.offset}


def reason_of(reply: Reply) -> tuple[str, str]:
    """Code and sentence for a request that was refused or failed: the replica's own words where it has some."""
    if reply.problem:
        return ("TimedOut" if reply.status == 504 else "NoReplica"), reply.problem
    said = _document(reply)
    text = said.get("error") or said.get("outputs") or ""
    words = text if isinstance(text, str) else _dumped(text).decode()
    code = str(said.get("code") or f"Status{reply.status}")[:100]
    return code, (words or f"The replica answered with status {reply.status}.")[:LONGEST_REASON]


def _about(
    message: Message, *, code: str, reason: str, status: int | None, attempts: int, serving: str
) -> dict[str, Any]:
    return {
        "id": id_of(message),
        "serving": serving,
        "code": code,
        "reason": reason,
        "status": status,
        "attempts": attempts,
        "when": str(datetime.now(UTC)),
        "request": place(message),
    }


def _document(reply: Reply) -> dict[str, Any]:
    """The answer as an object."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return _kept("outputs", reply.body)
    return said if isinstance(said, dict) else {"outputs": said}


def _kept(name: str, value: bytes) -> dict[str, str]:
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
