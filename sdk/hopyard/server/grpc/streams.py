"""One HTTP/2 stream, as both sides of the connection know it."""

from collections import deque
from typing import Protocol

from hopyard.server.replies import Problem


class Exchange(Protocol):
    """What is carried on a stream: a call."""

    @property
    def held(self) -> int:
        """How many bytes of an unfinished message are kept."""

    @property
    def wants_more(self) -> bool:
        """Whether the peer may send more than it was allowed so far."""

    def begin(self) -> None:
        """The headers have arrived."""

    def received(self, part: bytes, ended: bool) -> None:
        """Bytes of the body arrived; `ended` with the last of them."""

    def taken(self) -> None:
        """The peer has taken every message there was."""

    def left(self) -> None:
        """The peer does not want the answer any more."""

    def refuse(self, problem: Problem) -> None:
        """End it with a status that is not OK."""

    def stalled(self, now: float) -> bool:
        """Whether the peer keeps us waiting inside of a message for too long."""


class Stream:
    """`window` is how much we may send, `credit` how much the peer may; `ended` is whether it has sent all.

    `waiting` are the parts of messages not sent yet, `trailers` what follows them, None while open.
    """

    __slots__ = ("call", "credit", "ended", "number", "trailers", "waiting", "window")

    def __init__(self, number: int, *, window: int, credit: int) -> None:
        self.number = number
        self.window = window
        self.credit = credit
        self.ended = False
        self.waiting: deque[memoryview] = deque()
        self.trailers: bytes | None = None
        self.call: Exchange

    def taken(self) -> None:
        """Everything put so far was sent, and more may come."""
        self.call.taken()
