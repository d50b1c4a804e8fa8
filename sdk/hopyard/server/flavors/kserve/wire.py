"""What passes between the server and a replica of a deployment; pickled, between processes of one machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.failures import Failure
from hopyard.server.replies import Problem, Reply

TENSORS = "tensors"  # in place of a verb, for questions of V2


@dataclass(frozen=True, slots=True)
class Spec:
    """What a replica constructs: the class `attribute` of a module, or of the script run as a program."""

    name: str
    module: str
    attribute: str
    script: str
    path: Sequence[str]
    argv: Sequence[str]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What a replica says of itself when it has been constructed."""

    verbs: Sequence[str]
    takes_tensors: bool
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a replica could not be constructed."""

    code: str
    reason: str
    evidence: str

    def raised(self) -> Failure:
        return Failure(self.code, self.reason, self.evidence)


@dataclass(slots=True)
class Request:
    """The parts of an HTTP request that are decoded."""

    headers: Mapping[bytes, bytes]
    body: bytes
    notes: Any = None


@dataclass(frozen=True, slots=True)
class Question:
    """A verb and its HTTP request, or tensors."""

    verb: str
    asked: Any

    @classmethod
    def of_request(cls, verb: str, request: Any) -> "Question":
        return cls(verb, Request(dict(request.headers), request.body))

    @classmethod
    def of_tensors(cls, asked: TensorRequest) -> "Question":
        inputs = [replace(each, raw=None if each.raw is None else bytes(each.raw)) for each in asked.inputs]
        return cls(TENSORS, replace(asked, inputs=inputs, headers=dict(asked.headers), notes=None))


@dataclass(frozen=True, slots=True)
class Wrong:
    """A `Problem`, which does not survive pickling itself."""

    status: int
    sentence: str
    code: str
    grpc: str
    reply: Reply | None

    def raised(self) -> Problem:
        return Problem(self.status, self.sentence, self.code, grpc=self.grpc, reply=self.reply)


@dataclass(frozen=True, slots=True)
class Answer:
    """The body, `Reply` or tensors that answer a question, or what was wrong; and the seconds of each stage."""

    value: "bytes | Reply | TensorResponse | None"
    wrong: Wrong | None
    stages: Sequence[tuple[str, float]] = ()

    @classmethod
    def refusing(cls, problem: Problem, stages: Sequence[tuple[str, float]] = ()) -> "Answer":
        wrong = Wrong(problem.status, problem.sentence, problem.code, problem.grpc, problem.reply)
        return cls(None, wrong, stages)
