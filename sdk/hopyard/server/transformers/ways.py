"""What the two ways through a transformer share: the call that was opened, and the requests that are made of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from hopyard.server.bodies.cloudevents import Event
from hopyard.server.bodies.tensors import TensorResponse
from hopyard.server.flavors import Exchange
from hopyard.server.http.requests import NOBODY, Request
from hopyard.server.replies import JSON, Reply
from hopyard.server.transformers.errands import Caller

_OF_BODY = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"inference-header-content-length",
        b"transfer-encoding",
    }
)

Answer = bytes | Reply | TensorResponse
Question = tuple[Exchange, Any]


class Opened:
    """The payload of a transformed call: what was asked, and as the handler sees it."""

    __slots__ = ("asked", "event", "value")

    def __init__(self, asked: Any, value: Any, event: Event | None = None) -> None:
        self.asked = asked
        self.value = value
        self.event = event


class Way(Protocol):
    """From what a caller asked to what the predictor is asked, and back. `decode` runs on the event loop and raises
    Problem; the others raise whatever stands for an answer.
    """

    def decode(self, asked: Any) -> Opened: ...
    async def before(self, opened: Opened, caller: Caller) -> Question: ...
    async def after(self, answer: Answer, opened: Opened, caller: Caller) -> Any: ...


Ask = Callable[[Exchange, Any, Caller], Awaitable[Answer]]


def request_of(
    asked: Request, body: bytes, *, headers: Mapping[bytes, bytes], content_type: bytes = JSON
) -> Request:
    """Return the request for a predictor that stands for one of a caller; `asked` may be tensors' as well."""
    kept = {
        name: value for name, value in headers.items() if name not in _OF_BODY and not name.startswith(b"ce-")
    }
    made = Request(NOBODY, {**kept, b"content-type": content_type})
    made.method, made.target, made.id, made.body = b"POST", asked.target, asked.id, body
    return made


def is_whole(answer: Answer) -> bool:
    """Whether there is something to postprocess: neither a stream nor an error that the style answered with."""
    return not isinstance(answer, Reply) or (answer.stream is None and answer.status < 300)
