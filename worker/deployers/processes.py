"""Names a Linux process beyond doubt: its pid together with the kernel's start time."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

DEAD = {"Z", "X"}


@dataclass(frozen=True)
class ProcessId:
    """A pid can be given to another process; a pid with its start time (in clock ticks) cannot."""

    pid: int
    start_time: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        fields = _stat(pid)
        return cls(pid, int(fields[19])) if fields else None

    def is_alive(self) -> bool:
        fields = _stat(self.pid)
        return bool(fields) and fields[0] not in DEAD and int(fields[19]) == self.start_time

    def send(self, number: signal.Signals) -> None:
        """Signal the process if it still is the one that was meant."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name, state first; empty if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()
