"""What an exchange answers with when bytes of JSON are not enough, and what it raises instead of answering."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `headers` are complete lines, each with its line end; `content_type` None sends none.

    With a `stream` the body is what it yields, sent as it comes: bytes and str as they are, anything else as
    a line of JSON. A sync iterator is advanced in the model's thread, an async one on the event loop.
    """

    body: bytes = b""
    status: int = 200
    content_type: bytes | None = JSON
    headers: bytes = b""
    stream: AsyncIterator[Any] | Iterator[Any] | None = None


class Problem(Exception):
    """The caller gets this instead of an answer: a status, a sentence, and one word for programs.

    `grpc` names the gRPC status where it is not the one that follows from `status`. A `reply` is sent as it
    is over HTTP, for styles whose errors have a shape of their own; `sentence` is still what is logged.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        code: str = "PredictFailed",
        *,
        grpc: str = "",
        reply: Reply | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.code = code
        self.grpc = grpc
        self.reply = reply
