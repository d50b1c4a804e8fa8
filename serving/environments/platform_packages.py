"""What replicas run in when nothing is asked for: the platform's own packages, with their lock where it is known."""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from serving.environments import locks
from serving.models import Interpreter


@dataclass(frozen=True)
class PlatformPackages:
    """Where they are installed, for which Python; an empty `lock` means an interpreter of the administrator's own."""

    folder: Path
    python: str
    lock: str

    @property
    def key(self) -> str:
        """Known by the lock, or by its place where there is none."""
        return (
            locks.key(self.python, self.lock) if self.lock else hashlib.sha256(bytes(self.folder)).hexdigest()
        )


def now() -> PlatformPackages:
    """Read from the files of the interpreter's folder; nothing is run."""
    interpreter: Path = settings.REPLICA_PYTHON
    folder = interpreter.parent.parent
    return PlatformPackages(folder, _python(interpreter, folder), _text(folder / "lock.txt"))


def _python(interpreter: Path, folder: Path) -> str:
    """Its version, by what made the folder, the worker's report or the program's name."""
    if said := re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", _text(folder / "pyvenv.cfg"), re.MULTILINE):
        return said[1]
    real = interpreter.resolve()
    if seen := Interpreter.objects.filter(path=str(real)).first():
        return seen.version
    if named := re.fullmatch(r"python(3\.\d+)", real.name):
        return named[1]
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
