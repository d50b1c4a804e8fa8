"""Takes from this process whatever looking at bytes does not need: memory, time, rights, network, programs."""

import contextlib
import ctypes
import os
import resource
import sys
from typing import Any

MEMORY_BYTES = 2 * 1024**3
CPU_SECONDS = 120
OPEN_FILES = 32
NOBODY = 65534
NO_NEW_PRIVILEGES = 38  # prctl(2)
NEW_NETWORK, NEW_USER = 0x40000000, 0x10000000  # unshare(2)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = (
    *(
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "os.startfile",
        "os.kill",
    ),
    *(
        "subprocess.",
        "socket.",
        "pickle.find_class",
        "ctypes.",
        "urllib.",
        "ftplib.",
        "smtplib.",
        "webbrowser.",
    ),
    *(
        "shutil.",
        "sqlite3.",
        "pty.",
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.mkdir",
        "os.chmod",
        "os.chown",
    ),
)


class Forbidden(BaseException):
    """Something was tried that no reading of bytes does; nobody is meant to catch it."""


def limit(*, file_bytes: int) -> None:
    """Bound this process and all it might start."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError):  # the limit that is there already is tighter
            resource.setrlimit(what, (most, most))


def give_up_rights(scratch: str) -> None:
    """Leave the network, become nobody where we are root, and never get a right again; as far as the host allows."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    is_root = os.geteuid() == 0
    libc.unshare(NEW_NETWORK if is_root else NEW_NETWORK | NEW_USER)
    if is_root:
        os.chown(scratch, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    sys.addaudithook(_watch(scratch))


def _watch(scratch: str) -> Any:
    """Python tells of every program, connection or unpickled name before it happens; here none may."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if (
                isinstance(flags, int)
                and flags & WRITING
                and not str(path).startswith((scratch, "/dev/null"))
            ):
                raise Forbidden(f"{event} {path}")
        elif event.startswith(FORBIDDEN):
            raise Forbidden(event)

    return hook
