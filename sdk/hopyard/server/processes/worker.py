"""One of several processes that answer: it listens nowhere, and takes connections and orders from a supervisor."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import uvloop

from hopyard.server import config, output
from hopyard.server.answering import Answering, Told, inference_log
from hopyard.server.config import Config
from hopyard.server.dataplane import DataPlane
from hopyard.server.failures import Failure, one_line, whole_traceback
from hopyard.server.flavors import Model
from hopyard.server.metrics import Metrics
from hopyard.server.processes.forking import die_with
from hopyard.server.processes.links import Link, LinkLost, Message
from hopyard.server.processes.passing import GRPC, HTTP, Taking
from hopyard.server.runners import ModelThread

FATAL_STATUS = 3

Loaded = tuple[list[Model], Callable[[ModelThread, Metrics], None]]
Everywhere = Callable[[str, str], Any]

log = logging.getLogger(__name__)


class SharedPlane(DataPlane):
    """The data plane of a worker: a model is loaded or unloaded on all workers before that is answered."""

    def __init__(self, name: str, *, everywhere: Everywhere, **options: Any) -> None:
        super().__init__(name, **options)
        self._everywhere = everywhere

    async def load(self, name: str) -> None:
        self.find(name)
        await self._everywhere("load", name)

    async def unload(self, name: str) -> None:
        self.find(name)
        await self._everywhere("unload", name)

    async def change_here(self, change: str, name: str) -> None:
        """Load or unload in this process alone."""
        await (super().load(name) if change == "load" else super().unload(name))


class Worker:
    """`loaded`: models that were loaded before a fork, and what to tell of the thread they are served in."""

    def __init__(
        self,
        settings: Config,
        number: int,
        link: socket.socket,
        connections: socket.socket,
        *,
        loaded: Loaded | None = None,
    ) -> None:
        self._settings = settings
        self._number = number
        self._ends = link, connections
        self._loaded = loaded

    async def run(self) -> None:
        """Raises Failure, after the supervisor was told."""
        link, connections = self._ends
        link.setblocking(False)
        connections.setblocking(False)
        self._stop = asyncio.Event()
        self._settling: asyncio.Future[None] | None = None
        self._catch_signals()
        self._link = Link(link, self._told)
        self._answering = self._assemble()
        await self._link.open()
        taking = Taking(connections, {HTTP: self._answering.http, GRPC: self._answering.grpc})
        starting = asyncio.ensure_future(self._start(taking))
        stopping = asyncio.ensure_future(self._stop.wait())
        lost = asyncio.ensure_future(self._link.lost.wait())
        await asyncio.wait({starting, stopping, lost}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await self._settled(starting)
            await asyncio.wait({stopping, lost}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        await self._drain(taking)

    def _assemble(self) -> Answering:
        settings = self._settings
        return Answering(
            settings,
            thread=ModelThread(asyncio.get_running_loop()),
            records=inference_log(settings, writer=f"{settings.replica}-{self._number}"),
            plane=partial(SharedPlane, everywhere=self._everywhere),
            scrape=self._scrape,
        )

    async def _start(self, taking: Taking) -> None:
        models = None
        if self._loaded is not None:
            models, take_seat = self._loaded
            take_seat(self._answering.thread, self._answering.metrics)
        models, batching = await self._answering.prepare(models)
        self._answering.serve(models, batching)
        taking.start()
        self._link.tell("ready", models=[asdict(Told.of(model)) for model in models])

    async def _settled(self, starting: "asyncio.Future[None]") -> None:
        try:
            starting.result()
        except (Failure, Exception) as error:
            failure = error if isinstance(error, Failure) else _fault(error)
            known = {"code": failure.code, "reason": failure.reason, "evidence": failure.evidence}
            with suppress(LinkLost):
                await self._link.ask("failed", **known)
            raise failure from None

    async def _drain(self, taking: Taking) -> None:
        settled = self._settled_down()
        with suppress(LinkLost):
            await self._link.ask("leaving")
        await settled
        await taking.stop()
        await self._answering.finish()
        await self._answering.close()

    def _settled_down(self) -> "asyncio.Future[None]":
        """Not ready from now on; done once there is little left to answer."""
        if self._settling is None:
            self._answering.leave()
            self._settling = asyncio.ensure_future(self._answering.settle())
        return self._settling

    async def _told(self, message: Message) -> Any:
        """What the supervisor says and asks."""
        what = message["what"]
        if what == "leave":
            await self._settled_down()
        elif what == "stop":
            self._stop.set()
        elif what == "snapshot":
            return self._answering.metrics.snapshot()
        else:
            plane = self._answering.dataplane
            assert isinstance(plane, SharedPlane)
            await plane.change_here(what, message["name"])
        return None

    async def _everywhere(self, change: str, name: str) -> None:
        await self._link.ask("change", change=change, name=name)

    async def _scrape(self) -> bytes:
        try:
            text: str = await self._link.ask("scrape")
        except LinkLost:
            return self._answering.metrics.render()
        return text.encode()

    def _catch_signals(self) -> None:
        """A whole process group may be signalled; when to end at once is for the supervisor to say."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._stop.set)


def run_worker(worker: Worker) -> int:
    """Returns the exit status."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(worker.run())
    except Failure:
        return FATAL_STATUS
    except Exception:
        log.exception("A worker failed by a fault of its own")
        return FATAL_STATUS
    return 0


def main() -> None:
    """A worker that loads the script itself: `<parent> <number> <link> <connections> <arguments>...`."""
    parent, number, link, connections = map(int, sys.argv[1:5])
    die_with(parent)
    output.set_up()
    settings = config.read(sys.argv[5:])
    sys.argv[1:] = sys.argv[5:]
    ends = socket.socket(fileno=link), socket.socket(fileno=connections)
    status = run_worker(Worker(settings, number, *ends))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _fault(error: BaseException) -> Failure:
    reason = f"The server failed by a fault of its own, {one_line(error)}; please report it."
    return Failure("Internal", reason, whole_traceback(error))
