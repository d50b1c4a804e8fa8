"""A topic in a folder, as the tests of a server read it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .inference_log.shipper import decoded, values
from .process import ServerProcess, eventually

TOPIC = "iris-inf0001"


class Topic:
    """`settings` are those of a server that logs to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "topics" / TOPIC
        self.settings: dict[str, Any] = {
            "TOPIC": TOPIC,
            "TOPIC_DIR": folder / "topics",
            "SPILL_DIR": folder / "spill",
            "PROJECT": "demo",
            "REVISION": "4",
            "REPLICA": "r1",
            "SERVING_ID": "7",
            "MODEL_VERSION": "2",
        }

    @property
    def messages(self) -> list[bytes]:
        return values(self.folder) if self.folder.exists() else []

    @property
    def records(self) -> list[dict[str, Any]]:
        return [decoded(each) for each in self.messages]

    @property
    def ids(self) -> set[str]:
        return {each["requestId"] for each in self.records}

    def having(self, count: int) -> list[dict[str, Any]]:
        """Wait until there are so many records, and return them in the order of their ids."""
        eventually(lambda: len(self.ids) >= count)
        return sorted(self.records, key=lambda each: each["requestId"])


def shippers(server: ServerProcess) -> list[int]:
    """The processes that ship for a server, or for its workers."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_shipper(pid) and server.process.pid in _ancestors(pid)]


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def _is_shipper(pid: int) -> bool:
    try:
        return b"inference_log.shipping" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
        yield pid
