"""The stored input example asked as a caller's request is, through the model's doors, and its answer written."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from hopyard.server.bodies import codec, v2
from hopyard.server.bodies.tensors import TensorResponse
from hopyard.server.example import question_of, worded, wrong
from hopyard.server.failures import Failure, one_line, trimmed_traceback
from hopyard.server.hosted import Door, Hosted
from hopyard.server.replies import Problem, Reply
from hopyard.server.runners import ModelThread
from hopyard.server.streaming import END, Pieces
from hopyard.server.timings import Times
from hopyard.server.transformers.errands import Errand
from hopyard.server.transformers.transformer import TransformerFailed

INVALID = "AnswerInvalid"
SHOWN_BYTES = 2000
STREAM_SECONDS = 5.0
STREAM_PIECES = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """`what` is a sentence about an answer, `body` what a caller would see, or its beginning."""

    what: str
    body: bytes

    @property
    def shown(self) -> str:
        more = " ..." if len(self.body) > SHOWN_BYTES else ""
        return self.body[:SHOWN_BYTES].decode(errors="replace") + more


class Nobody:
    """The caller of the stored example."""

    abandoned = False
    request_id = b"input-example"
    key_id = None
    timed = False
    times: Times | None = None


class Trial:
    """One call of a model with its stored example."""

    def __init__(self, path: Path, hosted: Hosted) -> None:
        key, _, self._asked = question_of(path, hosted.model)
        self._path = path
        self._door = _door(hosted, key)
        self._value: Any = None
        self._unwritable: BaseException | None = None

    async def predict(self) -> None:
        """Run the model. Raises Failure."""
        try:
            errand = Errand(Nobody(), self._door.decode(self._asked))
        except Problem as problem:
            raise wrong(self._path, problem.sentence) from None
        self._door.submit(errand)
        self._value, error = await errand.outcome
        if isinstance(error, Problem) and error.code == INVALID:
            self._unwritable = error
        elif isinstance(error, TransformerFailed):
            raise _of_transformer(error)
        elif error is not None:
            with worded():
                raise error

    async def write(self, thread: ModelThread) -> Written:
        """Write what the model answered with the server's own codec. Raises Failure."""
        try:
            if self._unwritable is not None:
                raise self._unwritable
            return await self._written(thread)
        except (Failure, asyncio.CancelledError):
            raise
        except BaseException as error:  # a conversion of the user's own may raise anything
            raise _of_answer(error) from None

    async def _written(self, thread: ModelThread) -> Written:
        answer = self._door.encode(self._value, self._asked)
        if isinstance(answer, Reply):
            return await _of_reply(answer, thread)
        body = v2.write(answer) if isinstance(answer, TensorResponse) else bytes(answer)
        return Written(f"The answer is JSON, {len(body):,} bytes.", body)


def _door(hosted: Hosted, key: str) -> Door:
    if key == "tensors" and hosted.tensors is not None:
        return hosted.tensors
    kind, _, name = key.partition(" ")
    return (hosted.verbs if kind == "verb" else hosted.operations)[name]


async def _of_reply(reply: Reply, thread: ModelThread) -> Written:
    if reply.stream is not None:
        return await _of_stream(reply.stream, thread)
    said = reply.body[:SHOWN_BYTES].decode(errors="replace")
    if reply.status >= 400:
        raise Failure(INVALID, f"The model answers with the status {reply.status}; correct the script.", said)
    kind = (reply.content_type or b"of no type").decode("latin-1")
    if "json" not in kind:
        return Written(f"The answer is {kind}, {len(reply.body):,} bytes, sent as it is.", reply.body)
    try:
        codec.parse(reply.body)
    except codec.BadBody:
        raise Failure(INVALID, f"The answer is not the {kind} it says; correct the script.", said) from None
    return Written(f"The answer is JSON, {len(reply.body):,} bytes.", reply.body)


async def _of_stream(stream: Any, thread: ModelThread) -> Written:
    """Take pieces until there are no more, or enough of them."""
    pieces, kept, count = Pieces(stream, thread), bytearray(), 0
    deadline = monotonic() + STREAM_SECONDS
    try:
        while (piece := await pieces.next()) is not END:
            kept += codec.piece(piece)[:SHOWN_BYTES]
            count += 1
            if count == STREAM_PIECES or monotonic() > deadline:
                return Written(
                    f"The answer is a stream; its first {count} pieces could be sent.", bytes(kept)
                )
    finally:
        await pieces.close()
    return Written(f"The answer is a stream of {count} pieces, which could all be sent.", bytes(kept))


def _of_transformer(error: TransformerFailed) -> Failure:
    cause = error.__cause__
    evidence = trimmed_traceback(cause) if cause is not None else ""
    reason = f"The input example could not be predicted: {error.sentence}; correct the transformer."
    return Failure(error.code, reason, evidence)


def _of_answer(error: BaseException) -> Failure:
    if isinstance(error, codec.Unserialisable):
        reason = f"The model's answer cannot be written as JSON: {error}"
        return Failure(INVALID, f"{reason} Return lists, numbers and strings, or a numpy array.")
    if isinstance(error, Problem):
        return Failure(INVALID, f"The answer cannot be sent: {error.sentence}")
    reason = f"The answer cannot be sent: {one_line(error)}; correct the script."
    return Failure(INVALID, reason, trimmed_traceback(error))
