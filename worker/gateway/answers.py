"""The gateway's own answers to predictions: the words and the shape that the Django view and the replicas use."""

import json
from collections.abc import Mapping

UNKNOWN = "This API key is unknown, expired or revoked; make a new one on the project's page API keys."
MISSING = "Send an API key in the header Authorization: ApiKey <key>; the project's page API keys makes one."
ID = "%[var(txn.id)]"


def returned(status: int, code: str, sentence: str, **headers: str) -> str:
    """The action of an `http-request` rule. What stands between `%[` and `]` is filled in for each request."""
    return f"return status {status} {_content(code, sentence, headers)}"


def error(status: int, code: str, sentence: str, **headers: str) -> str:
    """The line for an answer that HAProxy gives by itself, such as when a replica died."""
    return f"http-error status {status} {_content(code, sentence, headers)}"


def _content(code: str, sentence: str, headers: Mapping[str, str]) -> str:
    body = json.dumps({"error": sentence, "code": code, "request_id": "<id>"})
    given = {**{name.replace("_", "-"): value for name, value in headers.items()}, "X-Request-Id": ID}
    lines = " ".join(f"hdr {name} {value}" for name, value in given.items())
    return f"content-type application/json lf-string '{_log_format(body)}' {lines}"


def _log_format(body: str) -> str:
    """As HAProxy reads it between single quotes; a single quote itself is written in JSON's own way."""
    literal = body.replace("'", "\\u0027").replace("%", "%%").replace("%%[", "%[")
    return literal.replace("<id>", ID)
