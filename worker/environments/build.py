"""Builds a lock into a folder: whole or not at all, by one builder at a time, checked and sealed."""

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.environments import locks
from worker.environments import problems, seal, uv
from worker.environments.interpreters import Python
from worker.environments.problems import EnvironmentProblem
from worker.environments.seal import Seal
from worker.environments.uv import Tell, Uv

MB = 1024 * 1024
CHECK = "import sys; sys.path[:0] = sys.argv[1:]; import hopyard.server.lifecycle"


@dataclass(frozen=True)
class Order:
    """What to build where; `model_server` is the folder it must be importable from, None for no such check, and `seal`
    the one that an earlier build had.
    """

    root: Path
    key: str
    python: Python
    lock: str
    model_server: Path | None = None
    seal: str = ""
    least_free_mb: int = 0

    @property
    def target(self) -> Path:
        return self.root / self.key


@dataclass(frozen=True)
class Built:
    path: Path
    seal: Seal
    package_count: int
    seconds: float


def record_of(root: Path, key: str) -> Path:
    """Where the seal's entries of an environment are kept."""
    return root / f"{key}.files"


def build(program: Uv, order: Order, tell: Tell, *, anew: bool = False) -> Built:
    """Build the environment, or take the one that is there; `anew` sets that one aside, as its files may differ."""
    started = time.monotonic()
    order.root.mkdir(parents=True, exist_ok=True)
    with _alone(order):
        if anew or not is_whole(order.root, order.key, order.seal):
            _check_disk(order)
            with _draft(order) as draft:
                _install(program, order, draft, tell)
                _check(program, order, draft, tell)
                set_aside(order.root, order.key)
                draft.rename(order.target)
        sealed = seal.seal(order.target, record_of(order.root, order.key))
    count = len(locks.packages(order.lock, order.python.version))
    return Built(order.target, sealed, count, time.monotonic() - started)


def is_whole(root: Path, key: str, sealed: str) -> bool:
    """A folder of that name was complete when it appeared; one that was sealed must still be what it was."""
    folder = root / key
    if not (folder / "bin" / "python").exists():
        return False
    return not sealed or seal.difference(folder, record_of(root, key), sealed) is None


def set_aside(root: Path, key: str) -> Path:
    """Move a built environment out of the way; what runs in it keeps its open files."""
    aside = root / f".aside-{key[:12]}-{time.time_ns()}"
    with contextlib.suppress(FileNotFoundError):
        (root / key).rename(aside)
    return aside


def progress(root: Path, key: str) -> int:
    """How many packages a build that is under way has installed."""
    return max(
        (len(list(draft.glob("lib/*/site-packages/*.dist-info"))) for draft in _drafts(root, key)), default=0
    )


def _drafts(root: Path, key: str) -> Iterator[Path]:
    return root.glob(f".draft-{key[:12]}-*")


@contextlib.contextmanager
def _alone(order: Order) -> Iterator[None]:
    with (order.root / f".{order.key}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _draft(order: Order) -> Iterator[Path]:
    draft = Path(tempfile.mkdtemp(dir=order.root, prefix=f".draft-{order.key[:12]}-"))
    try:
        draft.chmod(0o755)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_disk(order: Order) -> None:
    free = shutil.disk_usage(order.root).free // MB
    if free < order.least_free_mb:
        reason = (
            f"The platform's disk has {free} MB left and an environment needs {order.least_free_mb} to begin with; "
            "free some space or remove environments that nobody uses."
        )
        raise EnvironmentProblem("NoSpace", reason)


def _install(program: Uv, order: Order, draft: Path, tell: Tell) -> None:
    """A virtual environment that may be moved, with copies of the files and not links into uv's cache."""
    with tempfile.TemporaryDirectory(prefix="hopyard-build-") as name:
        folder = Path(name)
        lock = folder / "lock.txt"
        lock.write_text(order.lock)
        venv = ("venv", "--quiet", "--allow-existing", "--relocatable", "--prompt", order.key[:12])
        _do(program, *venv, "--python", order.python.path, draft, directory=folder, tell=tell)
        sync = ("pip", "sync", "--require-hashes", "--link-mode", "copy", *program.only_wheels)
        _do(program, *sync, "--python", draft / "bin" / "python", lock, directory=folder, tell=tell)
        _do(program, "pip", "check", "--python", draft / "bin" / "python", directory=folder, tell=tell)


def _check(program: Uv, order: Order, draft: Path, tell: Tell) -> None:
    """Compile, and import the model server, without starting the environment's own Python, whose packages may bring
    code that runs at every start.
    """
    python = [str(order.python.path), "-I", "-S"]
    library = next(draft.glob("lib/python*/site-packages"))
    tell("Compiling")
    compile_all = [*python, "-m", "compileall", "-q", "-q", "-j", "0", str(library)]
    uv.run(compile_all, directory=draft, tell=lambda line: tell(""), seconds=program.seconds)
    if order.model_server is None:
        return
    tell("Importing the model server")
    check = [*python, "-c", CHECK, str(order.model_server), str(library)]
    finished = uv.run(check, directory=draft, tell=lambda line: tell(""), seconds=program.seconds)
    if finished.code != 0:
        last = finished.output.strip().splitlines()[-1:] or ["it ended without a word"]
        reason = f"The model server cannot be imported with these packages: {last[0]}"
        raise EnvironmentProblem("ModelServerBroken", reason, finished.output)


def _do(program: Uv, *arguments: str | Path, directory: Path, tell: Tell) -> None:
    finished = program.run(*arguments, directory=directory, tell=_without_places(tell))
    if finished.code != 0:
        raise problems.of_installing(finished.output)


def _without_places(tell: Tell) -> Tell:
    """Users need not know where on the host the environment is built."""
    return lambda line: tell("" if line.startswith("Using Python ") else line)
