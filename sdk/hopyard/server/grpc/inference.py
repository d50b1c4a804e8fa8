"""One inference asked over gRPC: from the bytes of a ModelInferRequest to the model and back."""

import logging
from contextlib import suppress
from typing import Any, Protocol

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from hopyard.server.bodies import v2
from hopyard.server.bodies.codec import Unserialisable
from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.grpc.convert import read_request, write_response
from hopyard.server.grpc.heads import Head
from hopyard.server.grpc.messages import ModelInferRequest
from hopyard.server.http.requests import INTERNAL
from hopyard.server.replies import Problem
from hopyard.server.tensor_calls import infer_tensors

LOGGED_BYTES = 4 * 1024  # are 66 us of the event loop as JSON

log = logging.getLogger(__name__)


class Caller(Protocol):
    """The call an inference belongs to. `abandoned` turns true when nobody waits for the answer any more."""

    head: Head
    request_id: bytes
    key_id: str | None
    abandoned: bool


class Receiver(Protocol):
    """Who is given the outcome of an inference; one of the two is called, once."""

    def inferred(self, inference: "Inference", message: Any) -> None: ...
    def not_inferred(self, inference: "Inference", problem: Problem) -> None: ...


class Inference:
    """A `tensor_calls.TensorSender`. `outcome` is the answer as the receiver wrote it, perhaps kept until its turn."""

    __slots__ = ("_call", "_message", "_response", "_to", "asked", "outcome")
    protocol = "grpc"

    def __init__(self, call: Caller, to: Receiver) -> None:
        self.asked: TensorRequest | None = None
        self.outcome: bytes | None = None
        self._call = call
        self._to = to
        self._response: TensorResponse | None = None
        self._message = b""

    @property
    def abandoned(self) -> bool:
        return self._call.abandoned

    def start(self, message: bytes, plane: DataPlane, books: Books) -> None:
        """Decode and hand over to the model; the receiver is told of any outcome, perhaps before this returns."""
        call = self._call
        if books.log is not None:
            self._message = message
        try:
            request = ModelInferRequest.FromString(message)
            hosted = plane.find(request.model_name, request.model_version)
            self.asked = asked = read_request(
                request, headers=call.head.texts.copy(), request_id=call.request_id.decode()
            )
        except DecodeError:
            self._refused_unseen(Problem(400, "The message is no ModelInferRequest.", "BadBody"), books)
        except Problem as problem:
            self._refused_unseen(problem, books)
        else:
            infer_tensors(hosted, asked, self, books=books, size=len(message), key_id=call.key_id)

    def answered(self, response: TensorResponse) -> Problem | None:
        self._response = response
        assert self.asked is not None
        try:
            message = write_response(response, self.asked)
        except Problem as problem:
            return self._not_written(problem)
        except Exception:
            log.exception("An answer could not be written [%s]", self._call.request_id.decode())
            return self._not_written(Problem(500, INTERNAL, "Internal"))
        self._to.inferred(self, message)
        return None

    def refused(self, problem: Problem) -> None:
        self._to.not_inferred(self, problem)

    def _not_written(self, problem: Problem) -> Problem:
        self._to.not_inferred(self, problem)
        return problem

    def bodies(self, asked: bool, answered: bool) -> tuple[bytes | None, bytes | None]:
        """As JSON while that is soon written, else as it was on the wire."""
        return self._inputs() if asked else None, self._outputs() if answered else None

    def _inputs(self) -> bytes:
        if self.asked is not None and len(self._message) <= LOGGED_BYTES:
            with suppress(Problem, Unserialisable):
                return v2.as_json(self.asked)
        return self._message

    def _outputs(self) -> bytes:
        outcome = self.outcome or b""
        if self._response is not None and len(outcome) <= LOGGED_BYTES:
            with suppress(Problem, Unserialisable):
                return v2.write(self._response)
        return outcome

    def _refused_unseen(self, problem: Problem, books: Books) -> None:
        books.metrics.refused(problem.status)
        self._to.not_inferred(self, problem)
