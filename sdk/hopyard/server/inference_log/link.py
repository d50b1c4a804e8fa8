"""The shipper, a child process that delivers inference records, and the socket to it. This is their contract.

The child is `python -P -m hopyard.server.inference_log.shipping`, in a session of its own and at a low priority; its
standard input is one end of an AF_UNIX stream socket, its outputs are the server's. Both ends write frames: the length
in four bytes, big-endian, then so many bytes of marshal.

From the server, first a dict: the fields of `Config` by name (paths as text) and `writer`, a name for files that no
other process has. Then `(number, [record, ...])`, where a record is a tuple as `records.py` has it, or a tuple of one.

Last `(END, seconds)`, how long the shipper has for what it holds then, in place of `drain_seconds`.

From the shipper `("took", number)`, once every record of the batch is out of its hands: the sink has it, the spill has
it, or it was dropped and counted; in any order. And `("counts", {"sent", "spilled", "dropped", "waiting"})` first, when
its settings are good, then when they have changed, at most once a second, and at its end; since its start, except
`waiting`: what is in the spill now. With a collector of CloudEvents, `events_dropped` is among them.

Batches that were not acknowledged are sent again to the next shipper where one died, so records arrive at least once.
The end of the input means that the server stops, or is gone: the shipper reads what is left, has `drain_seconds` to
send it, spills the rest, says its last words and exits. A child that the model forked may hold the socket open, so a
parent that is not the one it started with (`os.getppid`) means the same.
"""

import asyncio
import marshal
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hopyard.server.inference_log.shipping.intake import END

COMMAND = (sys.executable, "-P", "-m", "hopyard.server.inference_log.shipping")
NICENESS = 10
REAP_SECONDS = 1.0
_LENGTH = struct.Struct(">I")


class Link(asyncio.Protocol):
    """One shipper. `took` and `told` are called with what it says, `ended` is set once nothing more will come of it.
    `is_up`: it has read its settings, and begun.
    """

    def __init__(self, *, took: Callable[[int], object], told: Callable[[Mapping[str, int]], None]) -> None:
        self.ended = asyncio.Event()
        self.is_up = False
        self._took = took
        self._told = told
        self._read = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def open(self, settings: Mapping[str, Any]) -> None:
        """Start the process and give it its settings. Raises OSError, and RuntimeError where no thread is to be had."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.to_thread(_started, theirs)
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_unix_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise
        self.send(framed(dict(settings)))

    def send(self, frame: bytes) -> None:
        """Never waits: what the socket does not take at once is kept."""
        if self._transport is not None and not self.ended.is_set():
            self._transport.write(frame)

    def finish(self, seconds: float) -> None:
        """Nothing more will be sent; the shipper ends once it has done its best, within this time."""
        if self._transport is not None and not self.ended.is_set():
            self.send(framed((END, seconds)))
            self._transport.write_eof()

    async def reap(self) -> int:
        """Make sure that the process is gone, and return its exit code, that of a signal below zero."""
        if self._transport is not None:
            self._transport.abort()
        return await asyncio.to_thread(self._reap)

    def data_received(self, data: bytes) -> None:
        self._read += data
        for what, said in _frames_in(self._read):
            self.is_up = True
            if what == "took":
                self._took(said)
            elif what == "counts":
                self._told(said)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()

    def _reap(self) -> int:
        assert self._process is not None, "it was opened"
        try:
            return self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def framed(message: Any) -> bytes:
    """Raises ValueError for what marshal does not know."""
    data = marshal.dumps(message)
    return _LENGTH.pack(len(data)) + data


def _started(theirs: socket.socket) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(COMMAND, stdin=theirs.fileno(), start_new_session=True)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        # Where Linux groups by session, priorities count for nothing between sessions but by this.
        Path(f"/proc/{process.pid}/autogroup").write_text(str(NICENESS))
    return process


def _frames_in(read: bytearray) -> Iterator[tuple[str, Any]]:
    """Take the whole frames off what was read."""
    while len(read) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(read)[0]
        if len(read) < end:
            return
        message = marshal.loads(bytes(read[_LENGTH.size : end]))  # noqa: S302 - our own child's
        del read[:end]
        yield message
