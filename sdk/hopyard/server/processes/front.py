"""Answers while no worker can: the model is loading, the workers are gone, or the script is broken."""

import asyncio

import orjson

from hopyard.server.answering import Answering
from hopyard.server.config import Config
from hopyard.server.failures import Failure
from hopyard.server.http.requests import Request
from hopyard.server.processes.passing import GRPC, Passed
from hopyard.server.runners import ModelThread


class Front:
    """Connections are closed after their answer, so that clients come back to a worker. With a `failure`, every
    path over HTTP answers 503 and shows it.
    """

    def __init__(self, settings: Config) -> None:
        loop = asyncio.get_running_loop()
        self.failure: Failure | None = None
        self._answering = Answering(settings, thread=ModelThread(loop, size=0), handle=self._handle)
        self._answering.connections.draining = True
        self._loop = loop
        self._tasks: set[asyncio.Task[object]] = set()

    def say(self, reason: str) -> None:
        """Why no prediction can be made now."""
        self._answering.dataplane.stop(reason)

    def take(self, passed: Passed) -> None:
        """Answer a connection here."""
        factory = self._answering.grpc if passed.kind == GRPC else self._answering.http
        task = self._loop.create_task(self._loop.connect_accepted_socket(factory, passed.connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self._answering.leave()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._answering.finish()
        await self._answering.close()

    def _handle(self, request: Request) -> None:
        if self.failure is None:
            self._answering.routes(request)
            return
        failure = self.failure
        document = {
            "error": failure.reason,
            "code": failure.code,
            "evidence": failure.evidence.splitlines(),
            "request_id": request.id.decode(),
        }
        body = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        request.respond(503, body, headers=b"retry-after: 1\r\n")
