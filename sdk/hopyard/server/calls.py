"""One inference under way: decoded, run, answered, counted and logged. Over HTTP, or as tensors for any carrier."""

import logging
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from hopyard.server import streaming
from hopyard.server.bodies.codec import Unserialisable
from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.books import Books, Entry
from hopyard.server.failures import one_line, trimmed_traceback
from hopyard.server.hosted import Door, Hosted
from hopyard.server.http.requests import INTERNAL, Request
from hopyard.server.quick import is_quick
from hopyard.server.replies import Problem
from hopyard.server.runners import Abandoned

CLIENT_LEFT = 499  # nginx's number for a client that closed before its answer
LEFT = "The client left before the call was started."

log = logging.getLogger(__name__)


class _Call:
    """What both kinds of call share. `_asked` is what the exchange decodes and encodes for."""

    __slots__ = ("_asked", "_books", "_door", "_started", "key_id", "payload", "size")

    def __init__(self, asked: Any, door: Door, books: Books, *, size: int, key_id: str | None) -> None:
        self.payload: Any = None
        self.size = size
        self._asked = asked
        self._door = door
        self._books = books
        self.key_id = key_id
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

    def _bodies(self, outputs: bytes) -> tuple[bytes, bytes]:
        raise NotImplementedError

    def _settle(self, status: int, outputs: bytes, error: str | None) -> None:
        """Count and log, after the answer."""
        seconds = perf_counter() - self._started
        books, door = self._books, self._door
        books.metrics.in_flight -= 1
        door.counters.observe(status, seconds)
        if books.are_detailed:
            inputs, outputs = self._bodies(outputs)
            entry = Entry(self.request_id.decode(), door.verb, status, seconds, error, self.key_id)
            books.write(entry, inputs=inputs, outputs=outputs)

    @property
    def request_id(self) -> bytes:
        raise NotImplementedError


class HttpCall(_Call):
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
            self._settle(answer.status, answer.body, None)
        else:
            describe = partial(problem_of, door=self._door, request_id=self.request_id)
            streaming.send(self._asked, answer, self._door.hosted, describe=describe, done=self._settle)

    def _refuse(self, error: BaseException) -> None:
        if isinstance(error, Abandoned):
            self._settle(CLIENT_LEFT, b"", LEFT)
            return
        problem = problem_of(error, self._door, self.request_id)
        self._asked.refuse(problem)
        self._settle(problem.reply.status if problem.reply else problem.status, b"", problem.sentence)

    def _bodies(self, outputs: bytes) -> tuple[bytes, bytes]:
        return self._asked.body, outputs


class TensorSender(Protocol):
    """Who asked with tensors; exactly one of the two is called, on the loop, perhaps before `start` returns."""

    @property
    def abandoned(self) -> bool: ...
    def answered(self, response: TensorResponse) -> Problem | None:
        """Answer; where the response cannot be written, refuse instead and return why."""

    def refused(self, problem: Problem) -> None: ...
    def bodies(self) -> tuple[bytes, bytes]:
        """What was asked and what was answered, as JSON, for the inference log."""


class TensorCall(_Call):
    """A `hosted.Call` whose question and answer are tensors."""

    __slots__ = ("_sender",)
    _asked: TensorRequest

    def __init__(
        self,
        asked: TensorRequest,
        sender: TensorSender,
        door: Door,
        books: Books,
        *,
        size: int,
        key_id: str | None,
    ) -> None:
        super().__init__(asked, door, books, size=size, key_id=key_id)
        self._sender = sender

    @property
    def abandoned(self) -> bool:
        return self._sender.abandoned

    @property
    def request_id(self) -> bytes:
        return self._asked.request_id.encode()

    def _give(self, answer: TensorResponse) -> None:
        _select(answer, self._asked)
        unwritten = self._sender.answered(answer)
        if unwritten is None:
            self._settle(200, b"", None)
        else:
            self._settle(unwritten.status, b"", unwritten.sentence)

    def _refuse(self, error: BaseException) -> None:
        if isinstance(error, Abandoned):
            self._settle(CLIENT_LEFT, b"", LEFT)
            return
        problem = problem_of(error, self._door, self.request_id)
        self._sender.refused(problem)
        self._settle(problem.status, b"", problem.sentence)

    def _bodies(self, outputs: bytes) -> tuple[bytes, bytes]:
        return self._sender.bodies()


def infer_tensors(
    hosted: Hosted, asked: TensorRequest, sender: TensorSender, *, books: Books, size: int, key_id: str | None
) -> None:
    """Ask a model with tensors, whatever carried them; any outcome reaches the sender."""
    door = hosted.tensors
    try:
        refusal = hosted.refusal()
        if refusal is not None:
            raise refusal
        if door is None:
            raise Problem(501, f"The model {hosted.name} takes no tensors.", "NotImplemented")
    except Problem as problem:
        books.metrics.counters(hosted.name, "infer").observe(problem.status, 0.0)
        sender.refused(problem)
        return
    TensorCall(asked, sender, door, books, size=size, key_id=key_id).start()


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


def _select(response: TensorResponse, asked: TensorRequest) -> None:
    """Keep the outputs that were asked for. Raises Problem for one the model has not."""
    if not asked.outputs:
        return
    by_name = {each.name: each for each in response.outputs}
    for wanted in asked.outputs:
        if wanted.name not in by_name:
            has = ", ".join(by_name) or "none"
            sentence = (
                f"Unexpected inference output '{wanted.name}' for model '{asked.model_name}'; it has {has}."
            )
            raise Problem(400, sentence, "BadBody")
    response.outputs = [by_name[wanted.name] for wanted in asked.outputs]
