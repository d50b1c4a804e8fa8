"""The header blocks of answers: what comes before a call's messages, and the trailers that end it."""

from hopyard.server.grpc.headers import STATUS_200, encode
from hopyard.server.grpc.heads import ENCODINGS
from hopyard.server.grpc.statuses import Status, message_of, status_of
from hopyard.server.replies import Problem

OK = encode([(b"grpc-status", b"0")])
_BEFORE_ID = STATUS_200 + encode([(b"content-type", b"application/grpc"), (b"x-request-id", b"")])[:-1]
_LONGEST_SHORT = 0x7E  # a length that takes one byte
_READ_HERE = encode([(b"grpc-accept-encoding", b",".join(ENCODINGS))])


def initial(request_id: bytes) -> bytes:
    """Return the headers of every answer in gRPC."""
    length = len(request_id)
    if length <= _LONGEST_SHORT:
        return b"%b%c%b" % (_BEFORE_ID, length, request_id)
    return b"%b\x7f%c%b" % (_BEFORE_ID, length - _LONGEST_SHORT - 1, request_id)


def trailers(problem: Problem) -> bytes:
    """Return the trailers of a call that failed."""
    status = status_of(problem)
    block = encode([(b"grpc-status", b"%d" % status), (b"grpc-message", message_of(problem))])
    return block + _READ_HERE if status == Status.UNIMPLEMENTED else block


def not_grpc(http_status: int) -> bytes:
    """Return the headers that answer a request of another kind."""
    return encode([(b":status", b"%d" % http_status)])
