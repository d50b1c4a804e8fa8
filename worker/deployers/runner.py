"""Watches over one replica process: `runner.py DIRECTORY`, started apart from the worker, standard library only.

It becomes a daemon in a session of its own, starts the command in `spec.json`, copies its output with times into
the log, ends it when it outgrows its memory or the runner is told to stop (TERM, wait, KILL), and writes how it
ended. While it lives it holds a lock on the directory's `lock`, so a dead runner can never be taken for a living
one; should the runner be killed, the kernel kills the replica with it.
"""

import contextlib
import ctypes
import datetime
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.1
ORPHAN_POLL_SECONDS = 0.02
LOG_BYTES = 10 * 1024 * 1024
LONGEST_LINE = 64 * 1024
READS_AT_ONCE = 16
ORPHAN_SECONDS = 3.0
"""For what outlives the replica: the shipper of its inference records has some to put into files."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PAGE = os.sysconf("SC_PAGE_SIZE")


def main(directory: Path) -> None:
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    is_set, sets = os.pipe()
    if os.fork():
        os.close(sets)
        os.read(is_set, 1)  # the caller may signal the runner as soon as this process has ended
        os._exit(0)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    write_json(directory / "runner.json", {"pid": os.getpid(), "start_time": _start_time(os.getpid())})
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - pathlib has no r+b shorthand
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    runner = Runner(directory, json.loads((directory / "spec.json").read_text()))
    signal.signal(signal.SIGTERM, runner.told_to_stop)
    os.close(sets)
    runner.run()


class Runner:
    """The watch from start to end; `spec` has command, environment, directory, memory_mb, grace_seconds, log."""

    def __init__(self, directory: Path, spec: dict[str, Any]) -> None:
        self.directory = directory
        self.spec = spec
        self.limit = spec["memory_mb"] * 1024 * 1024
        self.log = Log(Path(spec["log"]))
        self.was_told_to_stop = False
        self.kill_at: float | None = None
        self.out_of_memory = False
        self.kernel_kills = _kernel_kills()

    def run(self) -> None:
        try:
            self.child = self.start()
        except OSError as error:
            self.log.write(f"The replica's program could not be started: {error}\n".encode())
            self.finish(127)
            return
        write_json(
            self.directory / "process.json",
            {"pid": self.child.pid, "start_time": _start_time(self.child.pid)},
        )
        self.watch()
        self.finish(self.child.returncode)

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.spec["command"],
            cwd=self.spec["directory"],
            env=self.spec["environment"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_the_runner,  # noqa: PLW1509 - this process has one thread
            process_group=0,
        )

    def told_to_stop(self, *_: object) -> None:
        self.was_told_to_stop = True

    def watch(self) -> None:
        assert self.child.stdout is not None
        output = self.child.stdout.fileno()
        os.set_blocking(output, False)
        is_open = True
        while self.child.poll() is None:
            is_open = is_open and self.copy(output)
            if not is_open:
                time.sleep(POLL_SECONDS)
            self.enforce()
        _signal_group(self.child.pid)
        is_open = self.await_orphans(output, is_open)
        _end_orphans()
        if is_open:
            self.copy(output)

    def await_orphans(self, output: int, is_open: bool) -> bool:
        """Let them end by themselves. The shipper takes no TERM, anything else should go by it."""
        deadline = time.monotonic() + ORPHAN_SECONDS
        told: set[int] = set()
        while (orphans := _orphans()) and time.monotonic() < deadline:
            if sum(map(_resident, orphans)) > self.limit:
                break
            for pid in set(orphans) - told:
                _signal(pid, signal.SIGTERM)
            told |= set(orphans)
            is_open = is_open and self.copy(output)
            if not is_open:
                time.sleep(ORPHAN_POLL_SECONDS)
        return is_open

    def copy(self, output: int) -> bool:
        """Move what is there into the log; False once the replica closed its output."""
        ready, _, _ = select.select([output], [], [], POLL_SECONDS)
        for _ in range(READS_AT_ONCE if ready else 0):
            try:
                chunk = os.read(output, LONGEST_LINE)
            except BlockingIOError:
                break
            if not chunk:
                return False
            self.log.write(chunk)
        return True

    def enforce(self) -> None:
        if not self.out_of_memory and has_more_than(self.limit, self.child.pid):
            self.out_of_memory = True
            self.log.write(
                f"Out of memory: the replica went over its {self.spec['memory_mb']} MB.\n".encode()
            )
            _signal_group(self.child.pid)
        if self.was_told_to_stop and self.kill_at is None:
            self.kill_at = time.monotonic() + self.spec["grace_seconds"]
            _signal(self.child.pid, signal.SIGTERM)
        if self.kill_at is not None and time.monotonic() > self.kill_at:
            self.kill_at = float("inf")
            self.log.write(b"Still there after its time to finish; killed.\n")
            _signal_group(self.child.pid)

    def finish(self, returncode: int) -> None:
        self.log.flush()
        was_killed = returncode == -signal.SIGKILL and self.kill_at is None
        write_json(
            self.directory / "exit.json",
            {
                "code": returncode if returncode >= 0 else None,
                "signal": -returncode if returncode < 0 else None,
                "out_of_memory": self.out_of_memory or (was_killed and _kernel_kills() > self.kernel_kills),
                "at": datetime.datetime.now(datetime.UTC).isoformat(),
            },
        )


class Log:
    """Appends lines with their time to a file, and begins a new one (`.1` is the old) when it is full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rest = b""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        lines = (self.rest + chunk).split(b"\n")
        self.rest = lines.pop()
        if len(self.rest) > LONGEST_LINE:
            lines, self.rest = [*lines, self.rest], b""
        self._append(lines)

    def flush(self) -> None:
        if self.rest:
            self._append([self.rest])
            self.rest = b""

    def _append(self, lines: list[bytes]) -> None:
        now = (
            datetime.datetime.now(datetime.UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
            .encode()
        )
        with contextlib.suppress(OSError):  # a full disk must not end the replica
            self.file.write(b"".join(now + b" " + line + b"\n" for line in lines))
            if self.file.tell() > LOG_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self.file.close()
                self.file = self.path.open("ab", buffering=0)


def has_more_than(limit: int, pid: int) -> bool:
    """Whether a process and its descendants use more bytes; what forked workers share is counted once.

    That is dear to know, and no more than the sum of what each has, so that only a sum beyond the limit is looked into.
    """
    family = [pid, *_descendants(pid)]
    if sum(map(_resident, family)) <= limit:
        return False
    return len(family) == 1 or sum(map(_proportional, family)) > limit


def _descendants(pid: int) -> list[int]:
    children = children_of(pid)
    return children + [each for child in children for each in _descendants(child)]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def children_of(pid: int) -> list[int]:
    """The children that any thread of a process has started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(content))
    draft.replace(path)


def _start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _kernel_kills() -> int:
    """How often the kernel has killed for lack of memory."""
    for line in Path("/proc/vmstat").read_text().splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def _die_with_the_runner() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_orphans() -> None:
    """Kill what the replica left behind."""
    deadline = time.monotonic() + 5
    while (orphans := _orphans()) and time.monotonic() < deadline:
        for pid in orphans:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.01)


def _orphans() -> list[int]:
    """What the replica left behind, and still runs; as its reaper, this process inherits the children of its dead."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return children_of(os.getpid())


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _signal_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
