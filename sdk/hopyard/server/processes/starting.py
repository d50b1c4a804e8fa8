"""How a worker process comes to be: forked from a template that has loaded the script, or started to load it itself."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from hopyard.server.failures import Failure
from hopyard.server.processes.template import LONGEST_MESSAGE

LEAVE_SECONDS = 3.0
GONE = "the process that had loaded the script has ended"
ENTRY = "from hopyard.server.processes.worker import main; main()"


class Unforkable(Exception):
    """Workers cannot be forked, for the reason that is its text."""


class Ending:
    """The end of a process, be it a child or not."""

    def __init__(self, pid: int) -> None:
        self._happened = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._happen)

    @property
    def is_over(self) -> bool:
        return self._happened.is_set()

    async def wait(self) -> None:
        await self._happened.wait()

    def _happen(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._happened.set()


class Process:
    """A worker's process; `reap` returns its exit status once it has ended, None where nobody knows."""

    def __init__(self, pid: int, reap: Callable[[], Awaitable[int | None]]) -> None:
        self.pid = pid
        self._reap = reap
        self._ending = Ending(pid)
        self._ended = asyncio.ensure_future(self._end())

    async def ended(self) -> str:
        """Wait for its end and say how it came about: `with exit code 1`, `by SIGKILL`."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        if not self._ending.is_over:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def _end(self) -> str:
        await self._ending.wait()
        return manner(await self._reap())


class Starter(Protocol):
    """Starts workers. `forks`: what it starts has loaded already."""

    forks: bool

    async def start(self, number: int, link: socket.socket, connections: socket.socket) -> Process: ...


class Forking:
    """The supervisor's side of a template that was started."""

    forks = True

    def __init__(self, pid: int, end: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._pid = pid
        self._end = end
        self._answers: deque[asyncio.Future[Any]] = deque()
        self._loaded: asyncio.Future[None] = loop.create_future()
        self._loaded.add_done_callback(lambda loaded: loaded.cancelled() or loaded.exception())
        self._ended = Ending(pid)
        self.is_alive = True
        loop.add_reader(end, self._read)

    async def loaded(self) -> None:
        """Return when the script is loaded. Raises Failure, or Unforkable if each worker must load it."""
        await self._loaded

    async def start(self, number: int, link: socket.socket, connections: socket.socket) -> Process:
        answer = await self._ask({"fork": number}, [link.fileno(), connections.fileno()])
        pid: int = answer["pid"]
        return Process(pid, lambda: self._reap(pid))

    async def _reap(self, pid: int) -> int | None:
        with suppress(Unforkable):
            status: int = (await self._ask({"reap": pid}))["status"]
            return status
        return None

    async def stop(self) -> None:
        """Let a script that started the server go on to its end, if it is quick; its workers are gone by now."""
        if self._loaded.done():
            with suppress(OSError):
                self._end.send(b'{"stop": true}')
        else:
            self._kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), LEAVE_SECONDS)
        self._kill()

    async def _ask(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> Any:
        if not self.is_alive:
            raise Unforkable(GONE)
        answer = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        socket.send_fds(self._end, [json.dumps(message).encode()], descriptors)
        return await answer

    def _read(self) -> None:
        try:
            text = self._end.recv(LONGEST_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if not text:
            self._lose()
            return
        message = json.loads(text)
        if self._loaded.done():
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_result(message)
        elif "failure" in message:
            self._loaded.set_exception(Failure(*message["failure"]))
        elif "obstacle" in message:
            self._loaded.set_exception(Unforkable(message["obstacle"]))
        else:
            self._loaded.set_result(None)

    def _lose(self) -> None:
        asyncio.get_running_loop().remove_reader(self._end)
        self.is_alive = False
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(Unforkable(GONE))
        self._explaining = asyncio.ensure_future(self._explain())

    async def _explain(self) -> None:
        await self._ended.wait()
        how = manner(os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]))
        reason = f"The process that loaded the script ended {how}; its log may say why."
        if not self._loaded.done():
            self._loaded.set_exception(Failure("Crashed", reason))

    def _kill(self) -> None:
        if self.is_alive:
            os.kill(self._pid, signal.SIGKILL)


class Spawning:
    """Starts workers that load the script themselves, with the arguments and environment the server was given."""

    forks = False

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._argv = list(argv)
        self._environment = dict(environment)

    async def start(self, number: int, link: socket.socket, connections: socket.socket) -> Process:
        ends = [link.fileno(), connections.fileno()]
        words = [str(each) for each in (os.getpid(), number, *ends)]
        safe = ["-P"] if sys.flags.safe_path else []
        process = subprocess.Popen(
            [sys.executable, *safe, "-c", ENTRY, *words, *self._argv], pass_fds=ends, env=self._environment
        )

        async def reap() -> int:
            return process.wait()

        return Process(process.pid, reap)


def manner(status: int | None) -> str:
    """How a process ended, to follow the word `ended`."""
    if status is None:
        return "with the process it was forked from"
    if status >= 0:
        return f"with exit code {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"
