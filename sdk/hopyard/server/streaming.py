"""Answers that come in pieces: an iterator of the model's, written as it goes, at the pace of the client."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hopyard.server.bodies import codec
from hopyard.server.hosted import Hosted
from hopyard.server.http.requests import Request
from hopyard.server.replies import Problem, Reply
from hopyard.server.runners import ModelThread

KEPT_BYTES = 64 * 1024
CLIENT_LEFT = 499  # nginx's number for a client that closed before its answer
Streamed = Callable[[int, bytes, str | None], None]  # status, the first bytes sent, what went wrong
Describe = Callable[[BaseException], Problem]

log = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()
END = object()


def send(request: Request, reply: Reply, hosted: Hosted, *, describe: Describe, done: Streamed) -> None:
    """Write the stream of `reply`; `done` is called once, when it has ended or the client has gone."""
    task = asyncio.get_running_loop().create_task(_send(request, reply, hosted, describe, done))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _send(request: Request, reply: Reply, hosted: Hosted, describe: Describe, done: Streamed) -> None:
    sent, error, problem = bytearray(), None, None
    pieces = Pieces(reply.stream, hosted.thread)
    try:
        # The first piece decides whether there is an answer at all.
        piece = await pieces.next()
        data = b"" if piece is END else codec.piece(piece)
        request.begin(reply.status, headers=reply.headers, content_type=reply.content_type)
        while piece is not END and not request.abandoned:
            if len(sent) < KEPT_BYTES:
                sent += data[: KEPT_BYTES - len(sent)]
            await request.write(data)
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
        done(status, bytes(sent), None)
    else:
        done(problem.status, bytes(sent), problem.sentence)


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
