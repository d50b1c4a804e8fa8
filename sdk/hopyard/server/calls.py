"""One inference under way: decoded, run, answered, counted and logged. Those of tensors are in `tensor_calls`."""

import logging
from functools import partial
from time import perf_counter
from typing import Any

from hopyard.server import streaming
from hopyard.server.books import Books
from hopyard.server.hosted import Door
from hopyard.server.http.requests import INTERNAL, Request
from hopyard.server.inference_log.log import InferenceLog
from hopyard.server.inference_log.records import Body
from hopyard.server.problems import problem_of
from hopyard.server.quick import is_quick
from hopyard.server.replies import JSON, Problem
from hopyard.server.runners import Abandoned
from hopyard.server.timings import UNKNOWN, Times

CLIENT_LEFT = 499  # nginx's number for a client that closed before its answer
LEFT = "The client left before the call was started."

Logged = tuple[bytes, str, Body, Body]
"""The id and the protocol of a call, what was asked and what was answered."""

log = logging.getLogger(__name__)


class Call:
    """What both kinds of call share. `_asked` is what the exchange decodes and encodes for."""

    __slots__ = ("_asked", "_books", "_door", "_started", "key_id", "payload", "size", "timed", "times")

    def __init__(self, asked: Any, door: Door, books: Books, *, size: int, key_id: str | None) -> None:
        self.payload: Any = None
        self.size = size
        self._asked = asked
        self._door = door
        self._books = books
        self.key_id = key_id
        self.timed = books.log is not None
        self.times: Times | None = None
        self._started = perf_counter()

    @property
    def abandoned(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Decode and hand over to the model."""
        self._books.metrics.in_flight += 1
        try:
            self.payload = self._door.decode(self._asked)
        except Exception as error:
            self.finish(None, error)
            return
        self._door.submit(self)

    def finish(self, value: Any, error: BaseException | None) -> None:
        if error is not None:
            self._refuse(error)
        elif is_quick(value):
            try:
                answer = self._door.encode(value, self._asked)
            except BaseException as raised:  # also where a conversion of the value's own type fails
                self.encoded(None, None, raised)
            else:
                self.encoded(None, answer, None)
        else:
            # A large frame, or a class of the user's own, may take its time.
            encode, asked = self._door.encode, self._asked
            self.timed = False  # it has been predicted
            self._door.hosted.thread.run(lambda _: encode(value, asked), self, self.encoded)

    def encoded(self, _: Any, answer: Any, error: BaseException | None) -> None:
        """The answer was written, or could not be; whatever happens now, the caller is told something."""
        try:
            if error is None:
                self._give(answer)
                return
        except Problem as problem:
            error = problem
        except Exception:
            log.exception("An answer could not be given")
            error = Problem(500, INTERNAL, "Internal")
        self._door.hosted.failed(error)
        self._refuse(error)

    def _give(self, answer: Any) -> None:
        raise NotImplementedError

    def _refuse(self, error: BaseException) -> None:
        raise NotImplementedError

    def _settle(
        self, status: int, outputs: Body, error: str | None, content_type: bytes | None = JSON
    ) -> None:
        """Count and log, after the answer."""
        seconds = perf_counter() - self._started
        books, door = self._books, self._door
        books.metrics.in_flight -= 1
        door.counters.observe(status, seconds)
        log = books.log
        if log is not None and (log.takes_all or log.takes()):
            self._log(log, status, seconds, (b"" if error else outputs, error, content_type))
        if books.latency_logging:
            books.tell_latency(self.request_id.decode(), door.verb, seconds)

    def _log(
        self, log: InferenceLog, status: int, seconds: float, answer: tuple[Body, str | None, bytes | None]
    ) -> None:
        """This is what the inference log costs a call. `answer` is its body, its error and its type."""
        outputs, error, content_type = answer
        times, started = self.times, self._started
        if times is None or not times.began:
            queue = preprocess = predict = postprocess = UNKNOWN
        else:
            queue = times.began - started - times.prepared
            if queue < 0.0:  # noqa: PLR1730 - by a rounding, and UNKNOWN is below zero; max() is dear here
                queue = 0.0
            preprocess, predict, postprocess = times.spent or times.spend()
        request_id, protocol, asked, answered = self._logged(outputs, log.keeps_inputs, log.keeps_outputs)
        record = (
            started + log.clock,
            status,
            request_id,
            protocol,
            self._door.verb,
            seconds,
            queue,
            preprocess,
            predict,
            postprocess,
            asked,
            answered,
            error,
            self.key_id,
            self._extra(content_type) if log.tells_events else None,
        )
        size = len(asked) if asked else 0
        log.put(record, size + len(answered) if answered else size)

    @property
    def request_id(self) -> bytes:
        raise NotImplementedError

    def _logged(self, outputs: Body, asked: bool, answered: bool) -> Logged:
        """As they are logged; None for what is not to be kept."""
        raise NotImplementedError

    def _extra(self, content_type: bytes | None) -> dict[str, str]:
        """What events tell besides."""
        raise NotImplementedError


class HttpCall(Call):
    """A `hosted.Call` in the words of the model's style, that answers an HTTP request."""

    __slots__ = ()
    _asked: Request

    def __init__(self, request: Request, door: Door, books: Books, key_id: str | None) -> None:
        super().__init__(request, door, books, size=len(request.body), key_id=key_id)

    @property
    def abandoned(self) -> bool:
        return self._asked.abandoned

    @property
    def request_id(self) -> bytes:
        return self._asked.id

    def _give(self, answer: Any) -> None:
        if type(answer) is bytes:
            self._asked.respond(200, answer)
            self._settle(200, answer, None)
        elif answer.stream is None:
            self._asked.respond(
                answer.status, answer.body, headers=answer.headers, content_type=answer.content_type
            )
            self._settle(answer.status, answer.body, None, answer.content_type)
        else:
            describe = partial(problem_of, door=self._door, request_id=self.request_id)
            done = partial(self._settle, content_type=answer.content_type)
            streaming.send(
                self._asked,
                answer,
                self._door.hosted,
                describe=describe,
                done=done,
                keeps=bool(self._books.log and self._books.log.keeps_outputs),
            )

    def _refuse(self, error: BaseException) -> None:
        if isinstance(error, Abandoned):
            self._settle(CLIENT_LEFT, b"", LEFT)
            return
        problem = problem_of(error, self._door, self.request_id)
        self._asked.refuse(problem)
        self._settle(problem.reply.status if problem.reply else problem.status, b"", problem.sentence)

    def _logged(self, outputs: Body, asked: bool, answered: bool) -> Logged:
        request = self._asked
        body = request.body if asked else None
        return request.id, self._door.protocol, body, outputs if answered else None

    def _extra(self, content_type: bytes | None) -> dict[str, str]:
        headers = self._asked.headers
        told = {"content_type": headers.get(b"content-type"), "ce_id": headers.get(b"ce-id")}
        told["answer_type"] = content_type
        return {name: value.decode("latin-1") for name, value in told.items() if value is not None}
