"""What is waited for on the way of one call: a handler in its thread, or the predictor."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hopyard.server.timings import Times


class Caller(Protocol):
    """The call that all of it is done for."""

    @property
    def abandoned(self) -> bool: ...
    @property
    def request_id(self) -> bytes: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def timed(self) -> bool: ...

    times: Times | None


class Errand:
    """A job of a thread, or a `hosted.Call` of the predictor. `outcome` is a future of its value and its error, as
    not every exception may be one's of a future. `is_predicted`: it is what the caller's times are told of.
    """

    __slots__ = ("_caller", "outcome", "payload", "size", "timed")

    def __init__(self, caller: Caller, payload: Any, size: int = 0, *, is_predicted: bool = False) -> None:
        self.payload = payload
        self.size = size
        self.timed = is_predicted and caller.timed
        self.outcome: asyncio.Future[tuple[Any, BaseException | None]] = (
            asyncio.get_running_loop().create_future()
        )
        self._caller = caller

    @property
    def abandoned(self) -> bool:
        return self._caller.abandoned

    @property
    def request_id(self) -> bytes:
        return self._caller.request_id

    @property
    def key_id(self) -> str | None:
        return self._caller.key_id

    @property
    def times(self) -> Times | None:
        return self._caller.times

    @times.setter
    def times(self, times: Times | None) -> None:
        self._caller.times = times

    def finish(self, value: Any, error: BaseException | None) -> None:
        """Give the outcome, on the event loop."""
        if not self.outcome.done():
            self.outcome.set_result((value, error))


@dataclass(slots=True)
class Turn:
    """One call of a handler: for whom, with which headers of the request, and those it may set for the answer."""

    caller: Caller
    headers: Mapping[str, str]
    response_headers: dict[str, str] = field(default_factory=dict)


class Example:
    """The caller of the stored input example."""

    abandoned = False
    request_id = b"input-example"
    key_id = None
    timed = False
    times: Times | None = None
