"""One gRPC call: its messages in, its deadline, and its one answer or the messages of its stream."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from hopyard.server.grpc.blocks import OK, initial, not_grpc, trailers
from hopyard.server.grpc.framing import PREFIX, PREFIX_BYTES, Inbox, unzipped
from hopyard.server.grpc.heads import Head
from hopyard.server.grpc.infer_stream import InferStream
from hopyard.server.grpc.inference import Inference
from hopyard.server.grpc.outgoing import Outgoing
from hopyard.server.grpc.service import METHODS, Method, Service
from hopyard.server.grpc.streams import Stream
from hopyard.server.http.connections import Connections
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.requests import INTERNAL, RequestIds
from hopyard.server.replies import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Carrier:
    """What the calls of one connection share."""

    service: Service
    outgoing: Outgoing
    connections: Connections
    ids: RequestIds
    limits: HttpLimits
    loop: asyncio.AbstractEventLoop


class Rpc:
    """A call; a `streams.Exchange`, and the `inference.Receiver` of its inference."""

    __slots__ = (
        "_carrier",
        "_done",
        "_feed",
        "_inbox",
        "_message",
        "_method",
        "_opened",
        "_since",
        "_stream",
        "_task",
        "_timer",
        "abandoned",
        "head",
        "key_id",
        "request_id",
    )

    def __init__(self, stream: Stream, head: Head, carrier: Carrier) -> None:
        self.abandoned = False
        self.head = head
        self.key_id: str | None = None
        self.request_id = carrier.ids.choose(head.metadata.get(b"x-request-id"))
        self._carrier = carrier
        self._done = False
        self._feed: InferStream | None = None
        self._inbox: Inbox | None = None
        self._message: bytes | None = None
        self._method: Method
        self._opened = False
        self._since = carrier.connections.now
        self._stream = stream
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Decide what the headers decide."""
        head, service = self.head, self._carrier.service
        if head.http_status:
            self._end()
            self._carrier.outgoing.refuse(self._stream, not_grpc(head.http_status))
            return
        try:
            if head.problem is not None:
                raise head.problem
            self._method = method = METHODS.get(head.path) or _no_method(head)
            if not method.is_open:
                self.key_id = service.identify(head.metadata)
        except Problem as problem:
            self.refuse(problem)
            return
        if head.timeout is not None:
            self._timer = self._carrier.loop.call_later(head.timeout, self._too_late)
        if method.is_streaming:
            self._feed = InferStream(self, service.plane, service.books)

    def identify_again(self) -> None:
        """Raise Problem if the caller may not ask any more."""
        self.key_id = self._carrier.service.identify(self.head.metadata)

    # Messages in

    @property
    def held(self) -> int:
        """How many bytes of an unfinished message are kept."""
        return self._inbox.held if self._inbox else 0

    @property
    def wants_more(self) -> bool:
        return self._feed is None or self.held > 0 or self._feed.wants_more

    def received(self, part: bytes, ended: bool) -> None:
        if self._done:
            return
        if ended and self._inbox is None and self._feed is None and len(part) >= PREFIX_BYTES:
            flag, length = PREFIX.unpack_from(part)
            if not flag and length == len(part) - PREFIX_BYTES <= self._carrier.limits.body_bytes:
                self._serve(part[PREFIX_BYTES:])
                return
        try:
            self._gather(part, ended)
        except Problem as problem:
            self.refuse(problem)
        except Exception:
            self._fail_inside()

    def _gather(self, part: bytes, ended: bool) -> None:
        limit = self._carrier.limits.body_bytes
        if self._inbox is None:
            self._inbox = Inbox(limit)
        if not self._inbox.held:
            self._since = self._carrier.connections.now
        for is_zipped, message in self._inbox.put(part):
            if is_zipped and not self.head.is_gzip:
                raise Problem(500, "A message is compressed, but the call has no grpc-encoding.")
            self._take(unzipped(message, limit) if is_zipped else message)
        if not ended or self._done:
            return
        if self._inbox.held:
            raise Problem(400, "The call ended inside of a message.", "BadBody")
        if self._feed is not None:
            self._feed.end()
        elif self._message is None:
            raise Problem(501, "The call has no message; this method takes one.")
        else:
            self._serve(self._message)

    def _take(self, message: bytes) -> None:
        if self._done:
            return
        if self._feed is not None:
            self._feed.take(message)
        elif self._message is not None:
            raise Problem(501, "The call has more than one message; this method takes one.")
        else:
            self._message = message

    def _serve(self, message: bytes) -> None:
        try:
            self._method.run(self._carrier.service, self, message)
        except Problem as problem:
            self.refuse(problem)
        except Exception:
            self._fail_inside()

    # Answers out

    def reply(self, message: bytes) -> None:
        """Answer with one message. A caller that left gets nothing, and that is no error."""
        if not self._done:
            self._end()
            self._carrier.outgoing.answer(self._stream, initial(self.request_id), message, OK)

    def refuse(self, problem: Problem) -> None:
        """End with a status that is not OK."""
        if self._done:
            return
        self._end()
        if self._opened:
            self._carrier.outgoing.finish(self._stream, trailers(problem))
        else:
            self._carrier.outgoing.refuse(self._stream, initial(self.request_id) + trailers(problem))

    def put(self, message: bytes) -> None:
        """Send one message of a stream."""
        if self._done:
            return
        self._open()
        self._carrier.outgoing.put(self._stream, message)
        self._let_more_come()

    def finish(self) -> None:
        """End a stream well."""
        if not self._done:
            self._open()
            self._end()
            self._carrier.outgoing.finish(self._stream, OK)

    @property
    def unsent(self) -> int:
        """How many messages the peer has not taken yet."""
        return len(self._stream.waiting)

    def taken(self) -> None:
        if self._feed is not None and not self._done:
            self._feed.advance()
            self._let_more_come()

    def inferred(self, inference: Inference, message: Any) -> None:
        inference.outcome = message.SerializeToString()
        self.reply(inference.outcome)

    def not_inferred(self, inference: Inference, problem: Problem) -> None:
        self.refuse(problem)

    def run(self, answer: Coroutine[Any, Any, Any]) -> None:
        """Answer with the message that comes of a coroutine."""
        self._task = self._carrier.loop.create_task(self._await(answer))

    async def _await(self, answer: Coroutine[Any, Any, Any]) -> None:
        try:
            self.reply((await answer).SerializeToString())
        except Problem as problem:
            self.refuse(problem)
        except Exception:
            self._fail_inside()

    # The end

    def left(self) -> None:
        self.abandoned = True
        self._end()

    def stalled(self, now: float) -> bool:
        if self._done or self._stream.ended or (self._feed is not None and not self.held):
            return False
        limits = self._carrier.limits
        return now - self._since > limits.body + self.held / limits.body_rate

    def _too_late(self) -> None:
        self.abandoned = True
        self.refuse(Problem(504, "The deadline of the call passed before its answer was there."))

    def _fail_inside(self) -> None:
        log.exception("A call failed inside the server [%s]", self.request_id.decode())
        self.refuse(Problem(500, INTERNAL, "Internal"))

    def _end(self) -> None:
        self._done = True
        if self._timer is not None:
            self._timer.cancel()
        if self.abandoned and self._task is not None:
            self._task.cancel()

    def _let_more_come(self) -> None:
        if not self._stream.ended and self.wants_more:
            self._carrier.outgoing.grant(self._stream)

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self._carrier.outgoing.begin(self._stream, initial(self.request_id))


def _no_method(head: Head) -> Method:
    said = head.path[:200].decode("latin-1")
    raise Problem(501, f"There is no method {said} here.")
