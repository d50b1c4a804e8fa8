"""What an exception of a handler means to the caller, in KServe's statuses and words."""

from typing import Any

import orjson

from hopyard.server.failures import writable
from hopyard.server.replies import Problem, Reply

# Status, gRPC status, and our word, by the name of a class of `kserve.errors`.
STATUSES = {
    "InvalidInput": (400, "INVALID_ARGUMENT", "BadBody"),
    "InferenceError": (500, "INVALID_ARGUMENT", "PredictFailed"),
    "ModelNotFound": (404, "NOT_FOUND", "ModelNotFound"),
    "ModelNotReady": (503, "UNAVAILABLE", "NotReady"),
    "ServerNotReady": (503, "UNAVAILABLE", "NotReady"),
    "ServerNotLive": (503, "UNAVAILABLE", "NotReady"),
    "UnsupportedProtocol": (501, "INVALID_ARGUMENT", "NotImplemented"),
}


def problem(error: BaseException) -> Problem:
    """Return the answer to the caller of a handler that raised."""
    if isinstance(error, Problem):
        return error
    for kind in type(error).__mro__:
        if kind.__module__ == "kserve.errors" and kind.__name__ in STATUSES:
            status, grpc, code = STATUSES[kind.__name__]
            return Problem(status, _said(error), code, grpc=grpc)
        if kind is NotImplementedError:
            return Problem(501, _said(error), "NotImplemented", grpc="UNIMPLEMENTED")
        if kind.__name__ == "HTTPException" and kind.__module__.startswith(("fastapi", "starlette")):
            return _of_framework(error)
    code = "OutOfMemory" if isinstance(error, MemoryError) else "PredictFailed"
    return Problem(500, f"{type(error).__name__} : {_said(error)}", code)


def _of_framework(error: Any) -> Problem:
    """A status and a detail that the script chose, answered in the framework's own shape."""
    detail = error.detail
    reply = Reply(orjson.dumps({"detail": detail}, default=str), error.status_code)
    return Problem(error.status_code, writable(str(detail)), reply=reply)


def _said(error: BaseException) -> str:
    try:
        return writable(str(error))
    except Exception:  # the error's own __str__
        return type(error).__name__
