"""Which headers pass the gateway: all but those of one connection, and those between a caller and the platform."""

from collections.abc import Iterable, Mapping

Raw = tuple[bytes, bytes]

OF_ONE_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# `Expect` has been answered already, and the request's id is the one the platform chose.
FOR_THE_PLATFORM = frozenset(
    {"authorization", "content-length", "cookie", "expect", "host", "x-api-key", "x-request-id"}
)
# A script must not set cookies for the platform's own address; length, date and server are said anew.
FROM_THE_REPLICA = frozenset({"content-length", "date", "server", "set-cookie", "set-cookie2"})
OURS = "x-hopyard-"


def of_request(headers: Mapping[str, str]) -> list[Raw]:
    """What the replica gets of a caller's headers. Raises UnicodeEncodeError for what HTTP cannot carry."""
    lower = {name.lower(): value for name, value in headers.items()}
    dropped = OF_ONE_CONNECTION | FOR_THE_PLATFORM | _named_in(lower.get("connection", ""))
    return [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in lower.items()
        if name not in dropped and not name.startswith(OURS)
    ]


def of_answer(headers: Iterable[Raw], *, keeps_length: bool) -> dict[str, str]:
    """What the caller gets of a replica's headers, names in lower case; repeated ones are joined.

    `keeps_length`: the answer has no body of its own to count, as to HEAD.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    dropped = OF_ONE_CONNECTION | FROM_THE_REPLICA | _named_in(found.get("connection", ""))
    if keeps_length:
        dropped -= {"content-length"}
    return {name: value for name, value in found.items() if name not in dropped}


def _named_in(connection: str) -> frozenset[str]:
    """Headers that `Connection` says are of this connection alone."""
    return frozenset(name.strip().lower() for name in connection.split(","))
