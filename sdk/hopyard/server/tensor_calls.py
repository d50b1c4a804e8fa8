"""One inference of tensors, whatever carries them: run, answered, counted and logged."""

from typing import Protocol

from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.books import Books
from hopyard.server.calls import CLIENT_LEFT, LEFT, Call, Logged
from hopyard.server.hosted import Door, Hosted
from hopyard.server.inference_log.records import Body
from hopyard.server.problems import problem_of
from hopyard.server.replies import Problem
from hopyard.server.runners import Abandoned


class TensorSender(Protocol):
    """Who asked with tensors; exactly one of the two is called, on the loop, perhaps before `start` returns. `protocol`
    is what it is logged as.
    """

    protocol: str

    @property
    def abandoned(self) -> bool: ...
    def answered(self, response: TensorResponse) -> Problem | None:
        """Answer; where the response cannot be written, refuse instead and return why."""

    def refused(self, problem: Problem) -> None: ...
    def bodies(self, asked: bool, answered: bool) -> tuple[bytes | None, bytes | None]:
        """What was asked and what was answered, for the inference log; as JSON unless that would take long. None for
        what is not to be kept.
        """


class TensorCall(Call):
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

    def _logged(self, outputs: Body, asked: bool, answered: bool) -> Logged:
        return self.request_id, self._sender.protocol, *self._sender.bodies(asked, answered)

    def _extra(self, content_type: bytes | None) -> dict[str, str]:
        ce_id = self._asked.headers.get("ce-id")
        return {"ce_id": ce_id} if ce_id else {}


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
