"""HTTP requests to events and answers to replies, as forgiving as MLRun's clients need."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

from hopyard.server.bodies import codec
from hopyard.server.bodies.headers import Headers, line_text, lines
from hopyard.server.flavors.mlrun import addressing
from hopyard.server.flavors.mlrun.events import HTTP, Event
from hopyard.server.flavors.mlrun.problems import plain
from hopyard.server.http.requests import Request
from hopyard.server.replies import Problem, Reply

JSON_TYPES = (b"json", b"application/json")
TEXT = b"text/plain; charset=utf-8"
OCTETS = b"application/octet-stream"
EVENT_ID = b"mlrun-event-id"
EVENT_PATH = b"mlrun-event-path"


def event_of(request: Request, operation: str | None, body: Any) -> Event:
    """Return the event of a request; with an operation of None the URL says which. Raises Problem."""
    headers = request.headers
    event = Event(
        body,
        content_type=_text(headers.get(b"content-type")),
        headers=Headers(headers),
        method=request.method.decode("latin-1"),
        path=_path(request, operation, body),
        event_id=event_id(request),
        trigger=HTTP,
    )
    if type(body) is dict and "data_url" in body:
        event.data_url = _checked_url(body["data_url"])
    return event


def event_id(request: Request) -> str:
    """The id that the caller gave its event, else that of the request."""
    return (request.headers.get(EVENT_ID) or request.id).decode("latin-1")


def body_of(request: Request) -> Any:
    """Return the object that was sent, None without a body; an image becomes its input. Raises Problem.

    JSON that was encoded twice is decoded twice, whatever the content type.
    """
    raw = request.body
    if not raw:
        return None
    kind = request.headers.get(b"content-type", b"")
    try:
        body = codec.parse(raw)
        if type(body) is str:
            body = codec.parse(body.encode())
    except codec.BadBody as error:
        if kind.startswith(b"image/"):
            return {"inputs": [BytesIO(raw)]}
        if kind in JSON_TYPES:
            raise plain(f"failed to json decode event, {error.sentence}", code="BadBody") from None
        raise _unrecognized(error.sentence) from None
    if body is None or type(body) is dict:
        return body
    raise _unrecognized('The body must be an object, such as {"inputs": [...]}.')


def answer_of(value: Any) -> bytes | Reply:
    """Return what an event was answered with. Raises Unserialisable."""
    if value is None:
        return Reply(content_type=TEXT)
    if isinstance(value, str):
        return Reply(value.encode(errors="replace"), content_type=TEXT)
    if isinstance(value, bytes | bytearray | memoryview):
        return Reply(bytes(value), content_type=OCTETS)
    if hasattr(value, "status_code") and hasattr(value, "body"):
        return _verbatim(value)
    return codec.dumps(value)


def _verbatim(response: Any) -> Reply:
    body = response.body
    kind = getattr(response, "content_type", None) or "text/plain"
    if isinstance(body, str):
        body = body.encode(errors="replace")
    elif not isinstance(body, bytes | bytearray):
        body = b"" if body is None else codec.dumps(body)
    status = response.status_code
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise Problem(
            500, f"The Response has the status {status!r}; it is a number from 200 to 599.", "AnswerInvalid"
        )
    headers = getattr(response, "headers", None) or {}
    return Reply(bytes(body), status, line_text(kind), headers=lines(headers))


def _path(request: Request, operation: str | None, body: Any) -> str:
    """The operation: what the body says, then a header, then the URL."""
    said = body.get("operation") if type(body) is dict else None
    if said:
        return str(said).strip("/")
    header = request.headers.get(EVENT_PATH)
    if header is not None:
        path = header.decode("latin-1")
        return addressing.of_path(path).operation if "v2/models" in path else path.strip("/")
    if operation is not None:
        return operation
    return addressing.of_path(unquote(request.target.partition(b"?")[0].decode("latin-1"))).operation


def _checked_url(url: Any) -> str:
    if urlsplit(str(url)).scheme not in ("http", "https"):
        sentence = f"ValueError: data_url is {str(url)[:200]}; only http:// and https:// URLs are fetched"
        raise plain(sentence, code="BadBody")
    return str(url)


def _text(value: bytes | None) -> str:
    return value.decode("latin-1") if value else ""


def _unrecognized(cause: str) -> Exception:
    return plain(f"ValueError: Unrecognized request format, caused by: {cause}", code="BadBody")


def outputs_of(body: Any) -> Any:
    """The outputs of an envelope; anything else as it is."""
    return body["outputs"] if isinstance(body, Mapping) and "outputs" in body else body
