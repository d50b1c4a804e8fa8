"""Finds the host's Pythons that can run a model server, by asking each what it is."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from worker.environments.uv import clean_environment

PATIENCE_SECONDS = 10
MINORS = range(10, 20)
FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/python/*/bin")
QUESTION = """
import json, platform, sys
base = getattr(sys, "_base_executable", "") or sys.executable
print(json.dumps([platform.python_version(), platform.python_implementation(), base]))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter: "3.12", "3.12.1" and where it is, never one of a virtual environment."""

    version: str
    full_version: str
    path: Path


class BadSetting(ValueError):
    """HOPYARD_PYTHONS names something that is no Python, or another one."""


def find(configured: Iterable[str], *, first: Path, supported: SpecifierSet) -> dict[str, Python]:
    """One Python for each supported version: the administrator's, then that of `first`, then the newest found."""
    chosen = {each.version: each for each in map(_configured, configured)}
    found = {path: python for path in _candidates() if (python := ask(path)) is not None}
    own = ask(first)
    ranked = sorted(
        found.values(), key=lambda each: (Version(each.full_version), str(each.path)), reverse=True
    )
    for each in ([own] if own else []) + ranked:
        chosen.setdefault(each.version, each)
    usable = [each for each in chosen.values() if supported.contains(each.full_version, prereleases=True)]
    return {each.version: each for each in sorted(usable, key=lambda each: Version(each.version))}


def ask(path: Path) -> Python | None:
    """What the program at `path` says it is; None if it does not answer, as a shim without a Python behind it."""
    try:
        said = subprocess.run(
            [path, "-I", "-S", "-c", QUESTION],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
        )
        full, implementation, base = json.loads(said.stdout)
        version, program = Version(full), Path(base).resolve()
    except (OSError, subprocess.SubprocessError, ValueError, InvalidVersion):
        return None
    if implementation != "CPython":
        return None
    return Python(f"{version.major}.{version.minor}", full, program)


def _configured(pair: str) -> Python:
    version, _, path = pair.partition("=")
    python = ask(Path(path))
    if python is None or python.version != version.strip():
        said = f"which is Python {python.full_version}" if python else "which does not answer as a Python"
        raise BadSetting(f"HOPYARD_PYTHONS says {pair!r}, {said}; write 3.12=/path/to/python3.12.")
    return python


def _candidates() -> Iterator[Path]:
    names = [f"python3.{minor}" for minor in MINORS]
    seen: set[Path] = set()
    for path in [*_on_path(names), *_in_folders(names), *_of_managers()]:
        if path.exists() and (real := path.resolve()) not in seen:
            seen.add(real)
            yield path


def _on_path(names: list[str]) -> list[Path]:
    return [Path(found) for name in ["python3", *names] if (found := shutil.which(name))]


def _in_folders(names: list[str]) -> list[Path]:
    return [path for folder in FOLDERS for name in names for path in Path("/").glob(f"{folder[1:]}/{name}")]


def _of_managers() -> list[Path]:
    """What pyenv and uv have installed."""
    home = Path(os.environ.get("HOME", "/nonexistent"))
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    shared = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    return [
        *sorted(pyenv.glob("versions/3.*/bin/python3")),
        *sorted(shared.glob("uv/python/cpython-3.*/bin/python3")),
    ]
