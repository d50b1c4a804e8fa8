"""V1 bodies to what handlers get, and what they return to bodies."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from hopyard.server.bodies import cloudevents, codec
from hopyard.server.bodies.cloudevents import Event, Manners
from hopyard.server.bodies.headers import as_text, line_text, lines
from hopyard.server.flavors.kserve import answers
from hopyard.server.flavors.kserve.pipeline import Asked, Loop, Pipeline
from hopyard.server.replies import JSON, Problem, Reply

JSON_TYPES = (b"", JSON, cloudevents.STRUCTURED, b"application/ld+json", b"application/octet-stream")
FORM = b"application/x-www-form-urlencoded"


class Notes:
    """What decoding has to tell encoding."""

    __slots__ = ("event", "headers")

    def __init__(self, event: Event | None, headers: dict[str, str]) -> None:
        self.event = event
        self.headers = headers


def decoder(line: Pipeline, loop: Loop) -> Callable[[Any], Asked]:
    """Return how requests become the payload of a pipeline."""
    reads_headers, answers_headers, check = line.reads_headers, line.answers_headers, line.check

    def decode(request: Any) -> Asked:
        loop.notice()
        value, event = read(request)
        if check is not None:
            check(value)
        answered: dict[str, str] = {}
        if answers_headers or event is not None:
            request.notes = Notes(event, answered)
        return Asked(value, as_text(request.headers) if reads_headers else {}, answered)

    return decode


def encoder(name: str, manners: Manners) -> Callable[[Any, Any], Any]:
    """Return how a handler's value becomes an answer."""

    def encode(value: Any, request: Any) -> bytes | Reply:
        answer = write(value)
        notes = request.notes
        if notes is None or not (notes.headers or notes.event):
            return answer
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        if notes.event and reply.stream is None and reply.content_type == JSON:
            reply = cloudevents.wrap(reply.body, notes.event, name, manners)
        return with_headers(reply, notes.headers) if notes.headers else reply

    return encode


def read(request: Any) -> tuple[Any, Event | None]:
    """Return the value or the bytes of a body, and the event it came in. Raises Problem 400."""
    headers = request.headers
    if b"ce-specversion" in headers and cloudevents.is_binary(headers):
        event = cloudevents.unwrap_binary(headers, request.body)
        return event.data, event
    content_type = headers.get(b"content-type", b"")
    kind = _kind(content_type)
    if kind == "bytes":
        return request.body, None
    try:
        value = codec.parse(request.body)
    except codec.BadBody as error:
        if kind == "form":
            return request.body, None
        raise Problem(400, f"Unrecognized request format: {error.sentence}", "BadBody") from None
    document = cloudevents.unwrap_document(value, content_type)
    return (value, None) if document is None else (document.data, document)


def write(value: Any) -> bytes | Reply:
    """Return the body of what a handler answered. Raises Unserialisable."""
    if isinstance(value, dict | list):
        return codec.dumps(value)
    if isinstance(value, str):
        return Reply(value.encode(), content_type=None)
    if isinstance(value, bytes | bytearray | memoryview):
        return Reply(bytes(value), content_type=None)
    if hasattr(value, "__anext__") or hasattr(value, "__next__"):
        return Reply(stream=value, content_type=None)
    if answers.is_response(value):
        return codec.dumps(answers.document(value))
    return codec.dumps(value)


def checker(key: str) -> Callable[[Any], Any]:
    """Return KServe's validation of a V1 payload: what is under `key`, if anything, is a list."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and key in value and not isinstance(value[key], list):
            raise Problem(400, f'Expected "{key}" to be a list', "BadBody")
        return value

    return check


@lru_cache(maxsize=256)
def _kind(content_type: bytes) -> str:
    plain = content_type.partition(b";")[0].strip().lower()
    if plain in JSON_TYPES or plain.endswith(b"+json"):
        return "json"
    return "form" if plain == FORM else "bytes"


def with_headers(answer: bytes | Reply, headers: Mapping[str, str]) -> Reply:
    """Return an answer with more headers; a content type replaces the server's own."""
    reply = answer if isinstance(answer, Reply) else Reply(answer)
    given = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    content_type = reply.content_type if given is None else line_text(given)
    return Reply(reply.body, reply.status, content_type, reply.headers + lines(headers), reply.stream)
