"""Callers that ask without a pause, one request after the other on each connection, and check every answer."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came back: how often from which replica, and in words whatever was not a right answer."""

    port: int
    path: str
    key: str
    body: bytes = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
    most: int = 0
    sent: int = 0
    by_replica: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def right(self) -> int:
        return self.by_replica.total()

    def run(self, connections: int) -> None:
        asyncio.run(self._run(connections))

    def end(self) -> None:
        self._over.set()

    async def _run(self, connections: int) -> None:
        await asyncio.gather(*(self._call() for _ in range(connections)))

    async def _call(self) -> None:
        streams = None
        while not self._over.is_set() and not (self.most and self.sent >= self.most):
            self.sent += 1
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
                may_stay = await self._ask(*streams)
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                self.wrong.append(repr(error))
                may_stay = False
            if not may_stay:
                await self._close(streams)
                streams = None
        await self._close(streams)

    async def _close(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        writer.write(
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ApiKey {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n".encode()
            + self.body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        text = (await reader.readexactly(length)).decode()
        if " 200 " in head.partition("\r\n")[0] and (said := json.loads(text))["length"] == len(self.body):
            self.by_replica[said["replica"]] += 1
        else:
            self.wrong.append(head.partition("\r\n")[0] + text)
        return "connection: close" not in head


@contextmanager
def under(load: Load, connections: int = 16) -> Iterator[Load]:
    """The load during a block, which ends it."""
    thread = threading.Thread(target=load.run, args=(connections,))
    thread.start()
    try:
        yield load
    finally:
        load.end()
        thread.join()
