"""Whatever failed in a call, in words for its caller and for the log."""

import logging

from hopyard.server.bodies.codec import Unserialisable
from hopyard.server.failures import one_line, trimmed_traceback
from hopyard.server.hosted import Door
from hopyard.server.http.requests import INTERNAL
from hopyard.server.replies import Problem

log = logging.getLogger(__name__)


def problem_of(error: BaseException, door: Door, request_id: bytes) -> Problem:
    """Put any failure of a call into words for its caller, and into the log what the caller cannot mend."""
    where = f"{door.verb} failed [{request_id.decode()}]"
    problem = error if isinstance(error, Problem) else None
    if isinstance(error, Unserialisable):
        log.error("%s gave an answer that is not JSON [%s]: %s", door.verb, request_id.decode(), error)
        return Problem(500, f"The model's answer cannot be written as JSON: {error}", "AnswerInvalid")
    try:
        problem = problem or door.hosted.problem(error)
        if problem is None:
            code = "OutOfMemory" if isinstance(error, MemoryError) else "PredictFailed"
            problem = Problem(500, one_line(error), code)
        if problem.status >= 500 and not isinstance(error, Problem):
            log.error("%s\n%s", where, trimmed_traceback(error))
    except Exception:
        log.exception("%s, and the failure could not be described", where)
        return Problem(500, INTERNAL, "Internal")
    return problem
