"""What two processes of one server say to each other: questions with answers, and news without, as lines of JSON."""

import asyncio
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from hopyard.server.replies import Problem

LONGEST_LINE = 256 * 1024 * 1024

Message = dict[str, Any]
Answerer = Callable[[Message], Awaitable[Any]]

log = logging.getLogger(__name__)


class LinkLost(Exception):
    """The other process has gone, so nobody will answer."""


class Link:
    """One end. `answer` is awaited with every message of the other side; what it returns answers a question."""

    def __init__(self, end: socket.socket, answer: Answerer) -> None:
        self.lost = asyncio.Event()
        self._end = end
        self._answer = answer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end, limit=LONGEST_LINE)
        self._later(self._read(reader))

    async def ask(self, what: str, **content: Any) -> Any:
        """Return what the other side answers. Raises Problem if it does, and LinkLost if it goes."""
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send({"what": what, "number": number, **content})
        try:
            return await future
        finally:
            self._asked.pop(number, None)

    def tell(self, what: str, **content: Any) -> None:
        """Say something that needs no answer; said in vain if the other side has gone."""
        if not self.lost.is_set():
            self._send({"what": what, **content})

    def close(self) -> None:
        self._lose()
        if self._writer is not None:
            self._writer.close()

    def _send(self, message: Message) -> None:
        if self.lost.is_set() or self._writer is None:
            raise LinkLost
        self._writer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._received(orjson.loads(line))
        except (OSError, ValueError) as error:
            log.debug("A link ended: %s", error)
        self._lose()

    def _received(self, message: Message) -> None:
        if "what" in message:
            self._later(self._respond(message))
            return
        future = self._asked.get(message["number"])
        if future is None or future.done():
            return
        if "problem" in message:
            future.set_exception(Problem(**message["problem"]))
        else:
            future.set_result(message["answer"])

    async def _respond(self, message: Message) -> None:
        answer: Message
        try:
            answer = {"answer": await self._answer(message)}
        except Problem as problem:
            known = ("status", "sentence", "code", "grpc")
            answer = {"problem": {name: getattr(problem, name) for name in known}}
        except Exception:
            log.exception("A message of another process could not be answered")
            sentence = "Another process of this server failed; its log has the cause."
            answer = {"problem": {"status": 500, "sentence": sentence, "code": "Internal"}}
        if "number" in message and not self.lost.is_set():
            self._send({"number": message["number"], **answer})

    def _lose(self) -> None:
        self.lost.set()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LinkLost())

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
