"""Answers as bytes: one status line, a few headers, one body."""

from http import HTTPStatus

import orjson

from hopyard.server.failures import writable
from hopyard.server.replies import JSON

BODILESS = (204, 304)
STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


def answer(status: int, body: bytes, *, headers: bytes, content_type: bytes | None = JSON) -> bytes:
    """Return a whole response. `headers` are complete lines, each with its line end."""
    if content_type is JSON:
        return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b" % (
            status_line(status),
            len(body),
            headers,
            body,
        )
    if status in BODILESS:
        return b"%b%b\r\n" % (status_line(status), headers)
    kind = b"content-type: %b\r\n" % content_type if content_type else b""
    return b"%b%bcontent-length: %d\r\n%b\r\n%b" % (status_line(status), kind, len(body), headers, body)


def head(status: int, headers: bytes, *, content_type: bytes | None, chunked: bool) -> bytes:
    """Return the beginning of a response whose body follows in pieces."""
    kind = b"content-type: %b\r\n" % content_type if content_type else b""
    coding = b"transfer-encoding: chunked\r\n" if chunked else b""
    return b"%b%b%b%b\r\n" % (status_line(status), kind, coding, headers)


def status_line(status: int) -> bytes:
    """Scripts may answer with a number HTTP has no phrase for."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status


def error_body(sentence: str, code: str, request_id: bytes) -> bytes:
    """The one shape of every error: what happened, one word for programs, and which request it was."""
    document = {"error": writable(sentence), "code": code, "request_id": request_id.decode()}
    return orjson.dumps(document)


__all__ = ["JSON", "answer", "error_body", "head"]
