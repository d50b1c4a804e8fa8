"""One V1 inference over HTTP: rows in, `{"predictions": ...}` out, counted and logged."""

import logging
from time import perf_counter, time
from typing import Any

from hopyard.server import codec
from hopyard.server.dataplane import DataPlane
from hopyard.server.failures import one_line, trimmed_traceback
from hopyard.server.inference_log import InferenceLog, Record
from hopyard.server.metrics import Metrics
from hopyard.server.requests import INTERNAL, Request
from hopyard.server.responses import error_body
from hopyard.server.runners import Abandoned

CLIENT_LEFT = 499  # nginx's number for a client that closed before its answer
Outcome = tuple[int, bytes, str | None]  # status, body, error

log = logging.getLogger(__name__)


class V1Call:
    """A `dataplane.Call` that answers an HTTP request."""

    __slots__ = (
        "_dataplane",
        "_key_id",
        "_log",
        "_metrics",
        "_request",
        "_requested_at",
        "_started",
        "_verb",
        "payload",
        "size",
    )

    def __init__(
        self,
        request: Request,
        verb: str,
        *,
        key_id: str | None,
        dataplane: DataPlane,
        metrics: Metrics,
        inference_log: InferenceLog | None,
    ) -> None:
        self.payload: list[Any] = []
        self.size = len(request.body)
        self._request = request
        self._verb = verb
        self._key_id = key_id
        self._dataplane = dataplane
        self._metrics = metrics
        self._log = inference_log
        self._requested_at = time()
        self._started = perf_counter()

    @property
    def abandoned(self) -> bool:
        return self._request.abandoned

    def start(self) -> None:
        """Decode and hand over to the model."""
        self._metrics.in_flight += 1
        try:
            self.payload = codec.decode(self._request.body)
        except codec.BadBody as error:
            self._settle(*self._refused(400, "BadBody", str(error)))
            return
        except MemoryError as error:
            self.finish(None, error)
            return
        self._dataplane.infer(self._verb, self)

    def finish(self, value: Any, error: BaseException | None) -> None:
        try:
            outcome = self._encoded(value) if error is None else self._failed(error)
        except Exception:
            log.exception("An answer could not be given [%s]", self._id)
            outcome = self._refused(500, "Internal", INTERNAL)
        self._settle(*outcome)

    @property
    def _id(self) -> str:
        return self._request.id.decode()

    def _encoded(self, value: Any) -> Outcome:
        try:
            return 200, codec.encode(value), None
        except codec.Unserialisable as problem:
            self._dataplane.failed(problem)
            log.error("%s gave an answer that is not JSON [%s]: %s", self._verb, self._id, problem)
            said = f"The model's answer cannot be written as JSON: {problem}"
            return self._refused(500, "AnswerInvalid", said)
        except BaseException as problem:  # memory ran out, or a conversion of the answer's own type failed
            self._dataplane.failed(problem)
            return self._failed(problem)

    def _failed(self, error: BaseException) -> Outcome:
        if isinstance(error, Abandoned):
            return CLIENT_LEFT, b"", "The client left before the call was started."
        log.error("%s failed [%s]\n%s", self._verb, self._id, trimmed_traceback(error))
        code = "OutOfMemory" if isinstance(error, MemoryError) else "PredictFailed"
        return self._refused(500, code, one_line(error))

    def _refused(self, status: int, code: str, sentence: str) -> Outcome:
        return status, error_body(sentence, code, self._request.id), sentence

    def _settle(self, status: int, body: bytes, error: str | None) -> None:
        """Answer first; counting and logging come after and cannot change it."""
        if status != CLIENT_LEFT:
            self._request.respond(status, body)
        seconds = perf_counter() - self._started
        self._metrics.in_flight -= 1
        self._metrics.observe(self._verb, status, seconds)
        if self._log is not None:
            self._log.put(
                Record(
                    request_id=self._id,
                    verb=self._verb,
                    status=status,
                    requested_at=int(self._requested_at * 1000),
                    duration_us=int(seconds * 1_000_000),
                    inputs=self._request.body,
                    outputs=b"" if error else body,
                    error=error,
                    key_id=self._key_id,
                )
            )
