"""Whether a process that has loaded a script may be forked to serve it, and how a child is tied to its parent."""

import ast
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

# They keep threads, locks or a device that a child would only seem to have.
NEVER = ("torch", "tensorflow", "jax", "cupy", "pycuda", "mxnet", "ray")
HARMLESS = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
SETTLE_SECONDS = 0.5
PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent, whose id it is told, ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def open_files() -> dict[int, str]:
    """The descriptors of this process and what they lead to."""
    found = {}
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            found[int(path.name)] = str(path.readlink())
        except OSError:  # the one the list was read through
            continue
    return found


def imports_never(script: Path | None) -> str:
    """The first package of `NEVER` that a script imports itself, so that it need not be loaded to learn of it."""
    try:
        tree = ast.parse(script.read_bytes() if script else b"")
    except (OSError, SyntaxError, ValueError, RecursionError):  # said by whoever loads it
        return ""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return next((name for name in names if name.partition(".")[0] in NEVER), "")


def obstacle(known: Collection[int]) -> str:
    """Why this process, single-threaded and with the descriptors `known` before it loaded the script, must not
    be forked; empty if it may. To be called in the main thread, where no event loop runs.

    A connection or a file that was opened would be shared by all children, each moving it under the others. A
    Python thread would be missing in them. Threads of libraries are found by forking for nothing: a pool that
    is made for forks (OpenBLAS) ends before one and comes back when needed; one that is still there (GNU OpenMP
    after its first use) would be waited for in vain.
    """
    for name in NEVER:
        if name in sys.modules:
            return f"the script uses {name}, which does not survive a fork"
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"the script has started a thread, {others[0]}"
    for number, target in sorted(open_files().items()):
        if number not in known and target not in HARMLESS and not _only_appends(number):
            return f"the script keeps {target} open"
    sqlite = sys.modules.get("sqlite3")
    if sqlite is not None and _has_any(sqlite.Connection):
        return "the script keeps an SQLite database open"
    if not _is_alone_after_fork():
        return "a library has threads of its own, as OpenMP after its first use, that do not survive a fork"
    return ""


def _only_appends(number: int) -> bool:
    """A log file: what several processes append to it stays in whole pieces."""
    try:
        lines = Path(f"/proc/self/fdinfo/{number}").read_text().split("\n")
    except OSError:
        return True  # closed by now
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), 0)
    return flags & os.O_ACCMODE == os.O_WRONLY and bool(flags & os.O_APPEND)


def _has_any(kind: type) -> bool:
    return any(type(each) is kind for each in gc.get_objects())


def _is_alone_after_fork() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    deadline = time.monotonic() + SETTLE_SECONDS
    while len(list(Path("/proc/self/task").iterdir())) > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
