"""Runs uv: without a shell, with a clean environment, within a time, its output told while it comes."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from worker.environments.problems import BY_ITSELF, EnvironmentProblem

Tell = Callable[
    [str], None
]  # gets a line, or nothing at all now and then, so that what was held back can be shown

TICK_SECONDS = 0.25
CHUNK = 64 * 1024
INHERITED = {
    "ALL_PROXY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "NETRC",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
}
# The administrator's choice of index, cache and network; not what would choose another Python or project.
INHERITED_OF_UV = (
    "UV_CACHE_DIR",
    "UV_CONCURRENT_",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_",
    "UV_INDEX",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_NO_CACHE",
    "UV_OFFLINE",
    "UV_SYSTEM_CERTS",
)


@dataclass(frozen=True)
class Finished:
    code: int
    output: str


@dataclass(frozen=True)
class Uv:
    """A uv program; `allows_sources` lets it build packages, which runs their code here."""

    program: Path
    allows_sources: bool = False
    seconds: float = 1800

    def run(self, *arguments: str | Path, directory: Path, tell: Tell) -> Finished:
        command = [str(self.program), "--no-progress", "--color", "never", *map(str, arguments)]
        return run(command, directory=directory, tell=tell, seconds=self.seconds)

    @property
    def only_wheels(self) -> tuple[str, ...]:
        return () if self.allows_sources else ("--only-binary", ":all:")


def find(configured: str, root: Path) -> Path:
    """The uv of the setting, of this folder, or of the search path."""
    ours = root / ".tools" / "bin" / "uv"
    found = configured or (str(ours) if ours.exists() else shutil.which("uv"))
    if not found or shutil.which(found) is None:
        reason = "The worker has no uv; install it, or name it in HOPYARD_UV."
        raise EnvironmentProblem("UvMissing", reason)
    return Path(found)


def clean_environment() -> dict[str, str]:
    """What a tool of ours may know: nothing of the platform, its database or its keys."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in INHERITED or name.startswith(INHERITED_OF_UV)
    } | {"UV_PYTHON_DOWNLOADS": "never", "PYTHONUTF8": "1"}


def run(command: list[str], *, directory: Path, tell: Tell, seconds: float) -> Finished:
    """Run a program in a process group of its own, which ends with it or with its time."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        output = _follow(process.stdout, tell, time.monotonic() + seconds)
        return Finished(process.wait(timeout=10), output)
    except TimeoutError:
        reason = f"{Path(command[0]).name} did not finish within {seconds:.0f} seconds; {BY_ITSELF}."
        raise EnvironmentProblem("EnvironmentTimeout", reason) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _follow(stream: IO[bytes], tell: Tell, deadline: float) -> str:
    """All that comes until the stream ends, each line told when it is whole; without NUL, which no database takes."""
    held, lines = b"", []
    while True:
        if time.monotonic() > deadline:
            raise TimeoutError
        if not select.select([stream], [], [], TICK_SECONDS)[0]:
            tell("")
            continue
        chunk = os.read(stream.fileno(), CHUNK)
        *whole, held = (held + chunk.replace(b"\0", b"")).split(b"\n") if chunk else [held, b""]
        for line in filter(None, whole):
            lines.append(line.decode(errors="replace"))
            tell(lines[-1])
        if not chunk:
            return "\n".join(lines)
