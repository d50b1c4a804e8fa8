"""What the files of a local replica's directory say: who it is, whether it lives, how it ended."""

import fcntl
import json
import os
import re
import signal
import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker.deployers.base import PREDICTOR, TRANSFORMER, Exit, Phase, ReplicaStatus, RevisionSpec
from worker.deployers.processes import ProcessId

LARGEST_BYTES = 1024 * 1024
NAME = re.compile("r[0-9]+-t?[0-9]+-[0-9]+")
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
        started_at=_started_at(directory),
        place=f"pid {process.pid}" if process else "",
        address=address.read_text().strip() if address.exists() else "",
        said=content(directory / "termination.json") or None,
        exit=_exit(directory) if phase == Phase.EXITED else None,
    )


def is_one(path: Path) -> bool:
    """Whether a path is a replica's directory; one whose runner lives is, whatever the replica deleted in it."""
    return NAME.fullmatch(path.name) is not None and (
        (path / "spec.json").exists() or _is_held(path / "lock")
    )


def _started_at(directory: Path) -> datetime:
    said = content(directory / "spec.json").get("started_at")
    if isinstance(said, str):
        return datetime.fromisoformat(said)
    return datetime.fromtimestamp(directory.stat().st_mtime, UTC)


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
    if isinstance(runner.get("pid"), int) and isinstance(runner.get("start_time"), int):
        ProcessId(runner["pid"], runner["start_time"]).send(signal.SIGTERM)


def _process(directory: Path) -> ProcessId | None:
    found = content(directory / "process.json")
    if isinstance(found.get("pid"), int) and isinstance(found.get("start_time"), int):
        return ProcessId(found["pid"], found["start_time"])
    return None


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


def next_attempt(names: Iterable[str], place: Place) -> int:
    """The number after those of the replicas that a slot is known to have had."""
    return 1 + max((each[3] for each in map(parse, names) if each[:3] == place), default=0)


def content(path: Path) -> dict[str, Any]:
    """The JSON object in a file that the replica itself may have written; anything else counts as nothing."""
    try:
        return parsed(_bytes(path))
    except (OSError, ValueError):
        return {}


def parsed(text: bytes) -> dict[str, Any]:
    """The JSON object in bytes that a replica itself wrote; anything else counts as nothing."""
    try:
        found = json.loads(text)
        return _clean(found) if isinstance(found, dict) else {}
    except (ValueError, RecursionError):
        return {}


def _bytes(path: Path) -> bytes:
    """A regular file of bounded size, without waiting for a pipe or following a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        text = file.read(LARGEST_BYTES + 1)
    if len(text) > LARGEST_BYTES:
        raise ValueError("too long")
    return text


def _clean(value: Any) -> Any:
    """Without what no database keeps: NUL, and halves of characters."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    return value


def write(path: Path, what: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(what))
    draft.chmod(0o600)
    draft.replace(path)


def found_damage(directory: Path) -> bool:
    """Whether a replica ended because its files were not what the manifest says."""
    return tells_of_damage(content(directory / "termination.json"))


def tells_of_damage(said: Mapping[str, Any]) -> bool:
    """The same of what a replica said of itself."""
    checks = said.get("checks")
    found = [said, *(each for each in (checks if isinstance(checks, list) else []) if isinstance(each, dict))]
    return any(each.get("code") == "ArtifactCorrupt" for each in found)
