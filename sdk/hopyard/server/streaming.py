"""Answers that come in pieces: an iterator of the model's, written as it goes, at the pace of the client."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

from hopyard.server import codec
from hopyard.server.failures import trimmed_traceback
from hopyard.server.hosted import Hosted
from hopyard.server.replies import Reply
from hopyard.server.requests import Request

KEPT_BYTES = 64 * 1024
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
    pieces = _advanced(reply.stream, hosted)
    try:
        # The first piece decides whether there is an answer at all.
        piece = await anext(pieces, _END)
        request.begin(reply.status, headers=reply.headers, content_type=reply.content_type)
        while piece is not _END and not request.abandoned:
            data = _written(piece)
            if len(sent) < KEPT_BYTES:
                sent += data[:KEPT_BYTES]
            await request.write(data)
            piece = await anext(pieces, _END)
        request.end()
    except (Exception, asyncio.CancelledError) as raised:
        error = raised
        hosted.failed(raised)
        if request.begun:
            log.error("A stream broke off [%s]\n%s", request.id.decode(), trimmed_traceback(raised))
            request.break_off()
        else:
            request.fail(500, "PredictFailed", f"{type(raised).__name__}: {raised}")
    finally:
        await _closed(pieces)
    done(reply.status, bytes(sent), error)


async def _advanced(stream: Any, hosted: Hosted) -> AsyncIterator[Any]:
    if hasattr(stream, "__aiter__"):
        async for piece in cast(AsyncIterator[Any], stream):
            yield piece
        return
    iterator = cast(Iterator[Any], iter(stream))
    while (piece := await hosted.thread.call(lambda: next(iterator, _END))) is not _END:
        yield piece


async def _closed(pieces: Any) -> None:
    try:
        await pieces.aclose()
    except Exception:
        log.exception("A stream could not be closed")


def _written(piece: Any) -> bytes:
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    if isinstance(piece, str):
        return piece.encode()
    return codec.dumps(piece, place="a piece of the stream") + b"\n"
