"""What a message asks for: MLRun's body {"model", "version", "operation", "id", "inputs"}, or one of V1 or V2.

Source of the fields: MLRun's V2ModelServer, whose streamed events have no URL and say everything in their body; its
queues wrap an event as {"full_event_wrapper": true, "id", "body"}.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from serving.topics.broker import Message

_SANE_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}").fullmatch  # as the model server has it
_TENSOR = frozenset({"name", "shape", "datatype"})
_LONGEST_ID = 128


class Unusable(Exception):
    """The message asks for nothing that a replica could be asked: `code` for programs, the text for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """What a replica is asked. `id` is the caller's own, of any type of JSON's; `request_id` goes into a header.

    `model` is the address of its V1 page, empty where the message names none; `operation` is what is asked of it.
    """

    id: Any
    request_id: str
    target: str
    body: bytes
    method: str = "POST"
    model: str = ""
    operation: str = ""


def read(message: Message) -> Request:
    """The request in a message. Raises Unusable."""
    document, body, of_event = _document(message)
    given = [each for each in (document.get("id"), of_event) if each not in (None, "")]
    identity = given[0] if given else position_id(message)
    text = str(identity)
    operation = _operation(document)
    return Request(
        identity,
        text if _SANE_ID(text) else position_id(message),
        _target(document, operation),
        body,
        model=_model(document),
        operation=operation,
    )


def model_page(name: str, version: str = "") -> str:
    """Where a model tells of itself."""
    name, _, named = name.partition(":")
    version = named or version
    return f"/v1/models/{_quoted(name)}" + (f"/versions/{_quoted(version)}" if version else "")


def position_id(message: Message) -> str:
    """The id of a message that has none of its own."""
    where = f"-{message.partition}-{message.offset}"
    return message.topic[: _LONGEST_ID - len(where)] + where


def id_of(message: Message) -> Any:
    """The id of a message that may ask for nothing."""
    try:
        return read(message).id
    except Unusable:
        return position_id(message)


def _document(message: Message) -> tuple[Mapping[str, Any], bytes, Any]:
    """The object that is asked, its bytes, and the id of the event that it came in, if it came in one."""
    if message.value is None:
        raise Unusable("NotAMessage", "These bytes are no message, as a crash or a full disk leaves them.")
    document = _parsed(message.value)
    if document.get("full_event_wrapper") is True and "body" in document:
        inner = document["body"]
        if not isinstance(inner, dict):
            raise Unusable("NotARequest", "The body of the event is no JSON object.")
        return inner, json.dumps(inner, separators=(",", ":")).encode(), document.get("id")
    return document, message.value, None


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Unusable("NotJson", f"The message is not JSON: {_said(error)}") from None
    if not isinstance(document, dict):
        kind = "list" if isinstance(document, list) else "single value"
        raise Unusable(
            "NotARequest", f'The message is a {kind}; send an object such as {{"id": "1", "inputs": [...]}}.'
        )
    return document


def _said(error: Exception) -> str:
    return "it is nested too deeply." if isinstance(error, RecursionError) else f"{error}."


def _operation(document: Mapping[str, Any]) -> str:
    """`infer` is for tensors, and where the style has a word of its own for it the body decides anyway."""
    operation = _text(document, "operation").strip("/")
    if operation in ("", "infer", "predict"):
        return "infer" if _holds_tensors(document.get("inputs")) else "predict"
    return operation


def _target(document: Mapping[str, Any], operation: str) -> str:
    """The address of the model's operation. Without a model it is the first one's, which finds those of a script's own
    only in the body, where they stand as they are called.
    """
    name, version = _text(document, "model"), _text(document, "version")
    if not name:
        is_in_body = operation == "infer" or operation == _text(document, "operation")
        is_known = operation in ("predict", "explain") or not is_in_body
        return f"/v2/models/{_quoted(operation)}" if is_known else "/"
    versions = f"/versions/{_quoted(version)}" if version and ":" not in name else ""
    return f"/v2/models/{_quoted(name)}{versions}/{_quoted(operation)}"


def _model(document: Mapping[str, Any]) -> str:
    name = _text(document, "model")
    return model_page(name, _text(document, "version")) if name else ""


def _holds_tensors(inputs: Any) -> bool:
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return isinstance(first, dict) and first.keys() >= _TENSOR


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value in (None, ""):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unusable("NotARequest", f"The {name} of the message is no text.")
    return str(value)


def _quoted(text: str) -> str:
    return quote(text, safe=":", errors="replace")
