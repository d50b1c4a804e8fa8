"""ModelStreamInfer: many inferences on one call, answered in the order they were asked."""

from collections import deque
from typing import Any, Protocol

from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.grpc.inference import Caller, Inference
from hopyard.server.grpc.messages import ModelInferResponse, ModelStreamInferResponse
from hopyard.server.replies import Problem

UNDER_WAY = 32


class StreamCaller(Caller, Protocol):
    """The call that carries the stream."""

    @property
    def unsent(self) -> int: ...
    def put(self, message: bytes) -> None: ...
    def identify_again(self) -> None: ...
    def finish(self) -> None: ...


class InferStream:
    """Up to `UNDER_WAY` inferences are made at a time; the client is held back meanwhile."""

    def __init__(self, call: StreamCaller, plane: DataPlane, books: Books) -> None:
        self._call = call
        self._plane = plane
        self._books = books
        self._messages: deque[bytes] = deque()
        self._under_way: deque[Inference] = deque()
        self._ended = False
        self._advancing = False

    @property
    def wants_more(self) -> bool:
        return len(self._messages) + len(self._under_way) + self._call.unsent < UNDER_WAY

    def take(self, message: bytes) -> None:
        """The client asked."""
        self._messages.append(message)
        self.advance()

    def end(self) -> None:
        """The client asks nothing more."""
        self._ended = True
        self.advance()

    def advance(self) -> None:
        """Begin what may begin, and end after the last answer."""
        if self._advancing:  # an answer that is there at once leads here again
            return
        self._advancing = True
        while self._messages and len(self._under_way) + self._call.unsent < UNDER_WAY:
            inference = Inference(self._call, self)
            self._under_way.append(inference)
            message = self._messages.popleft()
            try:
                self._call.identify_again()  # a key may have been revoked since the stream began
            except Problem as problem:
                self.not_inferred(inference, problem)
            else:
                inference.start(message, self._plane, self._books)
        self._advancing = False
        if self._ended and not self._messages and not self._under_way:
            self._call.finish()

    def inferred(self, inference: Inference, message: Any) -> None:
        self._settle(inference, ModelStreamInferResponse(infer_response=message))

    def not_inferred(self, inference: Inference, problem: Problem) -> None:
        """An error is an answer here: the stream goes on."""
        asked = inference.asked
        answer = ModelInferResponse(id=asked.id, model_name=asked.model_name) if asked else None
        said = problem.sentence.encode(errors="replace").decode()
        self._settle(inference, ModelStreamInferResponse(error_message=said, infer_response=answer))

    def _settle(self, inference: Inference, message: Any) -> None:
        inference.outcome = message.SerializeToString()
        under_way = self._under_way
        while under_way and (outcome := under_way[0].outcome) is not None:
            under_way.popleft()
            self._call.put(outcome)
        self.advance()
