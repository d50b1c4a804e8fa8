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
    6  # float: from read to the start of the model's run; UNKNOWN where it never ran, as for the next three
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
