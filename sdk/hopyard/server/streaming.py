"""Answers that come in pieces: an iterator of the model's, written as it goes, at the pace of the client."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hopyard.server import codec
from hopyard.server.failures import one_line
from hopyard.server.hosted import Hosted
from hopyard.server.replies import Problem, Reply
from hopyard.server.requests import Request
from hopyard.server.responses import error_body

KEPT_BYTES = 64 * 1024
CLIENT_LEFT = 499  # nginx's number for a client that closed before its answer
Streamed = Callable[[int, bytes, BaseException | None], None]  # status, the first bytes sent, error

log = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()
_END = object()


def send(request: Request, reply: Reply, hosted: Hosted, done: Streamed) -> None:
    """Write the stream of `reply`; `done` is called once, when it has ended or the client has gone."""
    task = asyncio.get_running_loop().create_task(_send(request, reply, hosted, done))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _send(request: Request, reply: Reply, hosted: Hosted, done: Streamed) -> None:
    sent, error = bytearray(), None
    pieces = _Pieces(reply.stream, hosted)
    try:
        # The first piece decides whether there is an answer at all.
        piece = await pieces.next()
        data = b"" if piece is _END else _written(piece)
        request.begin(reply.status, headers=reply.headers, content_type=reply.content_type)
        while piece is not _END and not request.abandoned:
            if len(sent) < KEPT_BYTES:
                sent += data[: KEPT_BYTES - len(sent)]
            await request.write(data)
            piece = await pieces.next()
            data = b"" if piece is _END else _written(piece)
        request.end()
    except BaseException as raised:  # an iterator of the user's may raise anything
        error = raised
        hosted.failed(raised)
        _tell(request, hosted, raised)
    if not isinstance(error, asyncio.CancelledError):
        await pieces.close()
    done(CLIENT_LEFT if request.abandoned else reply.status, bytes(sent), error)


def _tell(request: Request, hosted: Hosted, error: BaseException) -> None:
    """An answer that was begun cannot be taken back, so it is broken off; one that was not is an error.

    Whoever is told by `done` logs it.
    """
    if request.begun:
        request.break_off()
        return
    problem = error if isinstance(error, Problem) else hosted.problem(error)
    if problem is None and isinstance(error, codec.Unserialisable):
        problem = Problem(500, f"The model's answer cannot be written as JSON: {error}", "AnswerInvalid")
    problem = problem or Problem(500, one_line(error))
    reply = problem.reply or Reply(error_body(problem.sentence, problem.code, request.id), problem.status)
    request.respond(reply.status, reply.body, headers=reply.headers, content_type=reply.content_type)


class _Pieces:
    """The user's iterator: an async one on the event loop, a sync one in the model's thread."""

    def __init__(self, stream: Any, hosted: Hosted) -> None:
        self._thread = hosted.thread
        self._stream = stream
        self._is_async = hasattr(stream, "__aiter__")
        self._iterator: Any = None

    async def next(self) -> Any:
        """Return the next piece, or `_END`."""
        if not self._is_async:
            return await self._thread.call(self._next)
        if self._iterator is None:
            self._iterator = aiter(self._stream)
        await asyncio.sleep(0)  # a generator that never waits would keep the loop from everybody else
        try:
            return await anext(self._iterator)
        except StopAsyncIteration:
            return _END

    def _next(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._stream)
        return next(self._iterator, _END)

    async def close(self) -> None:
        """Let a generator clean up, where it ran; also one whose client left before its end."""
        try:
            if self._is_async and hasattr(self._iterator, "aclose"):
                await self._iterator.aclose()
            elif not self._is_async and hasattr(self._iterator, "close"):
                await self._thread.call(self._iterator.close)
        except BaseException:
            log.exception("A stream could not be closed")


def _written(piece: Any) -> bytes:
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    if isinstance(piece, str):
        return piece.encode()
    return codec.dumps(piece, place="a piece of the stream") + b"\n"
