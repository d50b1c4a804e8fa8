"""What the files of a local replica's directory say: who it is, whether it lives, how it ended."""

import fcntl
import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

from worker.deployers.base import PREDICTOR, TRANSFORMER, Exit, Phase, ReplicaStatus, RevisionSpec
from worker.deployers.processes import ProcessId

Place = tuple[int, str, int]
"""Revision, component and slot."""


def read(directory: Path) -> ReplicaStatus:
    """What the files of a replica's directory say about it now."""
    revision, component, slot, attempt = parse(directory.name)
    process = _process(directory)
    phase = Phase.ALIVE if _is_held(directory / "lock") else Phase.EXITED
    if phase == Phase.ALIVE and (directory / "stop").exists():
        phase = Phase.STOPPING
    address = directory / "address"
    return ReplicaStatus(
        name=directory.name,
        revision=revision,
        component=component,
        slot=slot,
        attempt=attempt,
        phase=phase,
        started_at=datetime.fromisoformat(content(directory / "spec.json")["started_at"]),
        place=f"pid {process.pid}" if process else "",
        address=address.read_text().strip() if address.exists() else "",
        said=content(directory / "termination.json") or None,
        exit=_exit(directory) if phase == Phase.EXITED else None,
    )


def _exit(directory: Path) -> Exit:
    how = content(directory / "exit.json")
    return Exit(
        code=how.get("code"),
        signal=how.get("signal"),
        out_of_memory=how.get("out_of_memory", False),
        was_asked=(directory / "stop").exists(),
        failure=content(directory / "termination.json") or None,
        at=datetime.fromisoformat(how["at"]) if "at" in how else None,
    )


def stop(directory: Path) -> None:
    """Tell the runner to end its replica; told again, it goes on ending it."""
    runner = content(directory / "runner.json")
    (directory / "stop").touch()
    ProcessId(runner["pid"], runner["start_time"]).send(signal.SIGTERM)


def _process(directory: Path) -> ProcessId | None:
    found = content(directory / "process.json")
    return ProcessId(found["pid"], found["start_time"]) if found else None


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def place_of(replica: ReplicaStatus) -> Place:
    return replica.revision, replica.component, replica.slot


def name_of(share: RevisionSpec, slot: int, attempt: int) -> str:
    """`r<revision>-<slot>-<attempt>`, with a t before the slot of a transformer."""
    mark = "t" if share.component == TRANSFORMER else ""
    return f"r{share.revision}-{mark}{slot}-{attempt}"


def parse(name: str) -> tuple[int, str, int, int]:
    revision, slot, attempt = name.removeprefix("r").split("-")
    component = TRANSFORMER if slot.startswith("t") else PREDICTOR
    return int(revision), component, int(slot.removeprefix("t")), int(attempt)


def content(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found


def write(path: Path, what: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(what))
    draft.chmod(0o600)
    draft.replace(path)


def found_damage(directory: Path) -> bool:
    """Whether a replica ended because its files were not what the manifest says."""
    return bool(content(directory / "termination.json").get("code") == "ArtifactCorrupt")
