"""Answers as bytes: one status line, a few headers, one body."""

from http import HTTPStatus

import orjson

from hopyard.server.failures import writable

JSON = b"application/json"
STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


def answer(status: int, body: bytes, *, headers: bytes, content_type: bytes = JSON) -> bytes:
    """Return a whole response. `headers` are complete lines, each with its line end."""
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n%b" % (
        STATUS_LINES[status],
        content_type,
        len(body),
        headers,
        body,
    )


def error_body(sentence: str, code: str, request_id: bytes) -> bytes:
    """The one shape of every error: what happened, one word for programs, and which request it was."""
    document = {"error": writable(sentence), "code": code, "request_id": request_id.decode()}
    return orjson.dumps(document)
