"""An inference record on its way out of the serving process: a plain tuple that marshal writes, and its places by name.

A tuple costs the event loop a fraction of what an object does. A tuple of one is a message that is encoded already
(MLRun's layout), and passes through as it is.
"""

from typing import Any

# Bytes as they were on the wire; (size, sha256) of what is too large to pass on; None where the mode keeps none.
Body = bytes | tuple[int, str] | None

Message = tuple[bytes]

Record = tuple[Any, ...]  # in this order:
REQUESTED_AT = 0  # float: when it was read, in seconds since the epoch
STATUS = 1  # int: of HTTP, also where gRPC answered
REQUEST_ID = 2  # bytes: UTF-8
PROTOCOL = 3  # str: v1, v2, grpc, mlrun
VERB = 4  # str: predict, infer, explain, or an operation of the script's own
SECONDS = 5  # float: from read to answered; all durations are in seconds
QUEUE = (
    6  # float: from read to the start of the run; UNKNOWN where the model never ran, as for the next three
)
PREPROCESS = 7  # float
PREDICT = 8  # float: of the whole batch, where calls were predicted together
POSTPROCESS = 9  # float
INPUTS = 10  # Body
OUTPUTS = 11  # Body: b"" where nothing was answered but an error
ERROR = 12  # str | None: one line
KEY_ID = 13  # str | None: of the caller's key
EXTRA = 14  # dict | None: where events are wanted, what they tell besides: content_type, ce_id, answer_type

UNKNOWN = -1.0  # seconds of a stage that is not known
LARGEST_BODY = 64 * 1024  # of which the bytes are passed on


def plain(record: Record | Message) -> Record | Message:
    """The same in types that marshal knows, where a model's own were derived from them, such as HTTPStatus."""
    return tuple(map(_plain, record))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {_plain(name): _plain(each) for name, each in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value


def may_have_answered(record: Record) -> bool:
    """Whether the model ran in a call that failed, so that its error may quote an answer that nobody got."""
    return bool(record[STATUS] >= 500 and record[QUEUE] != UNKNOWN)
