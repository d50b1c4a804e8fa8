"""Talks to a running HAProxy through its two sockets: the worker's runtime API, and the master's for reloads."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worker.gateway import installation, maps
from worker.gateway.description import Server

SECONDS = 5.0
RELOAD_SECONDS = 20.0
MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20
DRAINING = 0x08 | 0x10
LINES_AT_ONCE = 64  # what is told at once has to fit into a buffer of HAProxy's
GOOD_NEWS = ("New server registered", "Server deleted", "IP changed", "no need to change", "port changed")


class Away(Exception):
    """HAProxy does not run, or does not answer."""


class Refused(Exception):
    """HAProxy did not take what it was told; it goes on as before."""


@dataclass(frozen=True)
class Seen:
    """A server of a backend as HAProxy has it; `is_ready` says that it was not told to drain or to rest."""

    server: Server
    is_ready: bool


@dataclass(frozen=True)
class Runtime:
    """The HAProxy of a gateway's folder: the worker that answers, or the `former` one of that process id, which answers
    once more on each connection it has.
    """

    folder: Path
    former: str = ""

    def structure(self) -> str:
        """The digest that the running configuration names in its description. Raises Away."""
        lines = (line.partition(":") for line in self.ask("show info").splitlines())
        return next((said.strip() for name, _, said in lines if name.lower() == "description"), "")

    def servers(self, backends: Iterable[str]) -> dict[str, dict[str, Seen]]:
        """By backend and by name; a backend that HAProxy does not know has none."""
        found: dict[str, dict[str, Seen]] = {name: {} for name in backends}
        text = self.ask(";".join(f"show servers state {name}" for name in found))
        for words in (line.split() for line in text.splitlines()):
            if len(words) > 18 and words[1] in found and words[0] != "#":
                found[words[1]][words[3]] = _seen(words)
        return found

    def map(self, name: str) -> dict[str, str]:
        return maps.read(self.ask(f"show map {name}"))

    def tell(self, command: str) -> None:
        """A command that says nothing, or one line that everything went well. Raises Refused."""
        said = self.ask(command).strip()
        if said and not said.startswith(GOOD_NEWS):
            raise Refused(f"HAProxy answered to “{command.splitlines()[0]}”: {said}")

    def ask(self, command: str) -> str:
        if self.former:
            return _ask(self.folder / installation.MASTER_SOCKET, f"@!{self.former} {command}")
        return _ask(self.folder / "worker.sock", command)

    def formers(self) -> list["Runtime"]:
        """The workers that a reload has left with their connections."""
        said = _ask(self.folder / installation.MASTER_SOCKET, "show proc")
        old = said.partition("# old workers")[2].partition("# programs")[0]
        return [Runtime(self.folder, pid) for pid in re.findall(r"^(\d+)\s+worker", old, re.MULTILINE)]

    def replace_map(self, name: str, pairs: Mapping[str, str]) -> None:
        """All of a map at once: nobody sees half of it."""
        version = self.ask(f"prepare map {name}").rpartition(":")[2].strip()
        lines = [f"{key} {value}\n" for key, value in pairs.items()]
        for start in range(0, len(lines), LINES_AT_ONCE):
            self.tell(f"add map @{version} {name} <<\n{''.join(lines[start : start + LINES_AT_ONCE])}")
        self.tell(f"commit map @{version} {name}")

    def reload(self, structure: str) -> None:
        """Have a new worker take over with the file's configuration, without a connection lost. Raises Refused."""
        failures = self._failures()
        _ask(self.folder / installation.MASTER_SOCKET, "reload")
        deadline = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.structure() == structure:
                    return
                if self._failures() > failures:
                    break
            except Away:
                pass  # the new one is about to listen
            time.sleep(0.05)
        raise Refused(
            "HAProxy did not take over a new configuration, though it reads well; does another program have one of"
            " its addresses?"
        )

    def check(self) -> None:
        """Have the program look at the file before it is used, where the program is at hand. Raises Refused."""
        if (program := installation.program()) is None:
            return
        command = [program, "-c", "-C", str(self.folder), "-f", installation.CONFIGURATION]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise Refused(f"HAProxy refuses its configuration: {_complaint(done.stderr)}")

    def _failures(self) -> int:
        """How many reloads in a row the master has failed at."""
        said = _ask(self.folder / installation.MASTER_SOCKET, "show proc")
        found = re.search(r"failed: *(\d+)", said)
        return int(found[1]) if found else 0


def _complaint(said: str) -> str:
    """The first of the alerts, which has the cause; the ones after it say what follows from that."""
    alerts = re.findall(r"^\[ALERT\][^:]*: (?:config : )?(.*)$", said, re.MULTILINE)
    return alerts[0] if alerts else said.strip()[-500:]


def _seen(words: list[str]) -> Seen:
    """In the order of columns that “show servers state” has had since its first version."""
    administration = int(words[6])
    return Seen(Server(words[3], f"{words[4]}:{words[18]}"), not administration & (MAINTENANCE | DRAINING))


def _ask(path: Path, command: str) -> str:
    try:
        with _short(path.parent) as folder, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(f"{folder}/{path.name}")
            client.sendall(f"{command}\n".encode())
            client.shutdown(socket.SHUT_WR)  # the master waits for more until then
            return b"".join(iter(partial(client.recv, 65_536), b"")).decode("utf-8", "replace")
    except OSError as error:
        raise Away(f"HAProxy does not answer on {path}: {error}") from None


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name for the folder that leaves room for a socket's in its address, which has 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
