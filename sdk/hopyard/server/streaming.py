"""Answers that come in pieces: an iterator of the model's, written as it goes, at the pace of the client."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any

from hopyard.server.bodies import codec
from hopyard.server.hosted import Hosted
from hopyard.server.http.requests import Request
from hopyard.server.inference_log.records import LARGEST_BODY, Body
from hopyard.server.replies import Problem, Reply
from hopyard.server.runners import ModelThread

CLIENT_LEFT = 499  # nginx's number for a client that closed before its answer
HASHED_AT_ONCE = 256 * 1024  # bytes; more than that in a thread
Streamed = Callable[[int, Body, str | None], None]  # status, what was sent, what went wrong
Describe = Callable[[BaseException], Problem]

log = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()
END = object()


def send(
    request: Request, reply: Reply, hosted: Hosted, *, describe: Describe, done: Streamed, keeps: bool
) -> None:
    """Write the stream of `reply`; `done` is called once, when it has ended or the client has gone. `keeps`: whether
    it is to be told what was sent.
    """
    sent = Sent(keeps=keeps)
    task = asyncio.get_running_loop().create_task(_send(request, reply, hosted, describe, done, sent))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _send(
    request: Request, reply: Reply, hosted: Hosted, describe: Describe, done: Streamed, sent: "Sent"
) -> None:
    error, problem = None, None
    pieces = Pieces(reply.stream, hosted.thread)
    try:
        # The first piece decides whether there is an answer at all.
        piece = await pieces.next()
        data = b"" if piece is END else codec.piece(piece)
        request.begin(reply.status, headers=reply.headers, content_type=reply.content_type)
        while piece is not END and not request.abandoned:
            await request.write(data)
            await sent.add(data)
            piece = await pieces.next()
            data = b"" if piece is END else codec.piece(piece)
        request.end()
    except BaseException as raised:  # an iterator of the user's may raise anything
        error = raised
        hosted.failed(raised)
        problem = describe(raised)
        if request.begun:
            request.break_off()  # an answer that was begun cannot be taken back
        else:
            request.refuse(problem)
    if not isinstance(error, asyncio.CancelledError):
        await pieces.close()
    status = CLIENT_LEFT if request.abandoned else reply.status
    if problem is None:
        done(status, sent.body, None)
    else:
        done(problem.status, sent.body, problem.sentence)


class Sent:
    """What of a stream is logged: its bytes, or the size and sha256 of more than a record may hold."""

    def __init__(self, *, keeps: bool) -> None:
        self._keeps = keeps
        self._start = bytearray()
        self._size = 0
        self._hash: Any = None

    async def add(self, data: bytes) -> None:
        """The next piece was written."""
        if not self._keeps:
            return
        self._size += len(data)
        if self._size <= LARGEST_BODY:
            self._start += data
            return
        if self._hash is None:
            self._hash = hashlib.sha256(self._start)
            self._start.clear()
        if len(data) > HASHED_AT_ONCE:
            await asyncio.to_thread(self._hash.update, data)
        else:
            self._hash.update(data)

    @property
    def body(self) -> Body:
        return bytes(self._start) if self._hash is None else (self._size, self._hash.hexdigest())


class Pieces:
    """The user's iterator: an async one on the event loop, a sync one in the model's thread."""

    def __init__(self, stream: Any, thread: ModelThread) -> None:
        self._thread = thread
        self._stream = stream
        self._is_async = hasattr(stream, "__aiter__")
        self._iterator: Any = None

    async def next(self) -> Any:
        """Return the next piece, or `END`."""
        if not self._is_async:
            return await self._thread.call(self._next)
        if self._iterator is None:
            self._iterator = aiter(self._stream)
        await asyncio.sleep(0)  # a generator that never waits would keep the loop from everybody else
        try:
            return await anext(self._iterator)
        except StopAsyncIteration:
            return END

    def _next(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._stream)
        return next(self._iterator, END)

    async def close(self) -> None:
        """Let a generator clean up, where it ran; also one whose client left before its end."""
        try:
            if self._is_async and hasattr(self._iterator, "aclose"):
                await self._iterator.aclose()
            elif not self._is_async and hasattr(self._iterator, "close"):
                await self._thread.call(self._iterator.close)
        except BaseException:
            log.exception("A stream could not be closed")
