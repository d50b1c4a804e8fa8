"""Where a model version comes from: the Python, program, git commit and packages of the process that exports it.

Nothing secret is collected: no environment variables, no paths, no user or host names of this machine.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

GIT_SECONDS = 2.0
MOST_PACKAGES = 300
PROMPTS = {"", "-c", "-m", "-"}
NOTEBOOKS = {"ipykernel_launcher.py", "colab_kernel_launcher.py"}


def collect() -> dict[str, Any]:
    """Facts about this process, as JSON. Never fails: what cannot be found out is left out."""
    return {
        "client": f"hopyard {_version('hopyard') or 'of unknown version'}",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "program": _program(),
        **_git(),
    }


def packages() -> dict[str, str]:
    """The versions of the installed distributions whose modules are imported now, by name.

    None for the command line, which trains nothing: it would name only its own.
    """
    if "hopyard.cli" in sys.modules:
        return {}
    imported = {name.partition(".")[0] for name in list(sys.modules)}
    try:
        owners = importlib.metadata.packages_distributions()
        names = {owner for module in imported for owner in owners.get(module, ())}
    except Exception:  # somebody else's broken metadata must not stop an export
        return {}
    found = {name: _version(name) for name in sorted(names, key=str.lower)}
    return dict([(name, version) for name, version in found.items() if version][:MOST_PACKAGES])


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except Exception:
        return None


def _program() -> str:
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in PROMPTS else ""
    if name in NOTEBOOKS:
        return "a notebook"
    return name[:200] or "an interactive session"


def _git() -> dict[str, Any]:
    """The commit of the work tree that the process runs in, and whether tracked files differ from it."""
    until = monotonic() + GIT_SECONDS
    commit = _ask_git("rev-parse", "--verify", "HEAD", until=until)
    if not commit:
        return {}
    changes = _ask_git("status", "--porcelain", "--untracked-files=no", until=until)
    return {"git_commit": commit, "git_is_dirty": None if changes is None else bool(changes)}


def _ask_git(*question: str, until: float) -> str | None:
    """Git's answer, or None; it takes no lock and starts no program that the repository names."""
    try:
        answer = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *question],
            capture_output=True,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            timeout=max(0.1, until - monotonic()),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace").strip()
