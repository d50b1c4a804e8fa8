"""The shipper's end of the socket to its server: frames of marshal, as `link.py` says."""

import contextlib
import marshal
import os
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

LENGTH = struct.Struct(">I")
READ_BYTES = 256 * 1024
END = 0  # in the place of a batch's number: what comes with it is the time for the end
BAD_SETTINGS = 78  # EX_CONFIG of sysexits.h: the exit code of a shipper that would always end like this


class Intake:
    """Reads what has come and answers. `is_over`: no more will come."""

    def __init__(self, link: socket.socket) -> None:
        self.is_over = False
        self._link = link
        self._parent = os.getppid()
        self._data = bytearray()
        self._start = 0  # of what has not been given out

    def read(self, seconds: float) -> Iterator[Any]:
        """The messages that are complete, waiting so long at most for something to come."""
        if self._end():
            seconds = 0.0
        if not self.is_over and select.select([self._link], [], [], seconds)[0]:
            try:
                read = self._link.recv(READ_BYTES)
            except ConnectionError:
                read = b""
            self._data += read
            self.is_over = not read
        elif os.getppid() != self._parent:
            self.is_over = True
        while (message := self._next()) is not None:
            yield message

    def close(self) -> None:
        self._link.close()

    def say(self, message: Any) -> None:
        """Tell the server; one that is gone does not hear it."""
        data = marshal.dumps(message)
        with contextlib.suppress(OSError):
            self._link.sendall(LENGTH.pack(len(data)) + data)

    def _next(self) -> Any:
        """The next message that is complete, None if there is none."""
        if end := self._end():
            begin, self._start = self._start + LENGTH.size, end
            return marshal.loads(bytes(self._data[begin:end]))  # noqa: S302 - from our own server
        del self._data[: self._start]
        self._start = 0
        return None

    def _end(self) -> int:
        """Where it ends, 0 if there is none."""
        begin = self._start + LENGTH.size
        if begin > len(self._data):
            return 0
        end = begin + int(LENGTH.unpack_from(self._data, self._start)[0])
        return end if end <= len(self._data) else 0
