"""gRPC's status codes, and how a problem becomes one."""

from enum import IntEnum
from urllib.parse import quote_from_bytes

from hopyard.server.failures import writable
from hopyard.server.replies import Problem

MESSAGE_BYTES = 4096  # three times as many when every one is encoded, which still fits into one frame
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Status(IntEnum):
    """The codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_OF_HTTP = {
    400: Status.INVALID_ARGUMENT,
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    408: Status.DEADLINE_EXCEEDED,
    413: Status.RESOURCE_EXHAUSTED,
    422: Status.INVALID_ARGUMENT,
    429: Status.RESOURCE_EXHAUSTED,
    499: Status.CANCELLED,
    501: Status.UNIMPLEMENTED,
    503: Status.UNAVAILABLE,
    504: Status.DEADLINE_EXCEEDED,
}


def status_of(problem: Problem) -> Status:
    """Return the code of a problem: the one it names, else the one that follows from its HTTP status."""
    named = Status.__members__.get(problem.grpc)
    return named if named is not None else _OF_HTTP.get(problem.status, Status.INTERNAL)


def message_of(problem: Problem) -> bytes:
    """Return its sentence as the header grpc-message takes it: UTF-8, percent-encoded."""
    text = writable(problem.sentence).encode()[:MESSAGE_BYTES].decode(errors="ignore")
    return quote_from_bytes(text.encode(), safe=_PLAIN).encode()
