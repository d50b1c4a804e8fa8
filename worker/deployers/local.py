"""Replicas as processes of this machine, each under a runner of its own (see `runner.py`).

Everything known about a replica is in its directory, `<root>/<serving>/<replica>/`: the runner's lock says whether
it lives, `process.json` which process it is, `exit.json` and `termination.json` how it ended. User code runs with
the platform's own rights here; memory is enforced by the runner, cores only as a hint to numeric libraries.
"""

import contextlib
import fcntl
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker.deployers import files
from worker.deployers.base import DeployerError, Exit, File, Phase, ReplicaStatus, RevisionSpec, ServingSpec
from worker.deployers.processes import ProcessId

RUNNER = Path(__file__).with_name("runner.py")
REMEMBERED = 20
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE", "USER")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class LocalDeployer:
    """`python` runs the replicas; the directories hold what the module says, artifacts and logs."""

    root: Path
    artifacts: Path
    log_dir: Path
    python: Path
    grace_seconds: float = 10

    def apply(self, spec: ServingSpec) -> None:
        with self._locked(spec.name):
            wanted = {(share.revision, slot): share for share in spec.revisions for slot in share.slots}
            unseen: set[tuple[int, int]] = set()
            for directory in self._directories(spec.name):
                replica = _read(directory)
                if replica.phase == Phase.EXITED:
                    unseen |= set() if _is_known(replica, spec) else {(replica.revision, replica.slot)}
                    continue
                is_kept = replica.phase == Phase.ALIVE and replica.name not in spec.unwanted
                if is_kept and (replica.revision, replica.slot) in wanted:
                    del wanted[replica.revision, replica.slot]
                else:
                    _stop(directory)
            for key in sorted(wanted.keys() - unseen):
                try:
                    self._launch(spec, wanted[key], slot=key[1])
                except OSError as error:
                    reason = f"This machine could not lay out the replica: {error}"
                    raise DeployerError("CouldNotStart", reason) from error
            self._forget_old(spec.name)

    def status(self, name: str) -> list[ReplicaStatus]:
        return [_read(directory) for directory in self._directories(name)]

    def remove(self, name: str) -> None:
        self.apply(ServingSpec(name=name, host="", port=0, keys_file=Path()))
        deadline = time.monotonic() + self.grace_seconds + 5
        while any(replica.phase != Phase.EXITED for replica in self.status(name)):
            if time.monotonic() > deadline:
                raise DeployerError("StillRunning", f"A replica of {name} does not end; look at its process.")
            time.sleep(0.05)
        shutil.rmtree(self.root / name, ignore_errors=True)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        path = self.log_dir / name / f"{replica}.log"
        start = (
            since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if since else ""
        )
        lines: list[str] = []
        for part in (path.with_name(f"{path.name}.1"), path):
            with contextlib.suppress(FileNotFoundError):
                lines += part.read_text(errors="replace").splitlines()
        return [line for line in lines if line >= start]

    def _directories(self, name: str) -> list[Path]:
        folder = self.root / name
        found = (
            [path for path in folder.iterdir() if (path / "spec.json").exists()] if folder.is_dir() else []
        )
        return sorted(found, key=lambda path: _parse(path.name))

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        (self.root / name).mkdir(parents=True, exist_ok=True)
        with (self.root / name / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _launch(self, spec: ServingSpec, share: RevisionSpec, slot: int) -> None:
        artifact = files.materialise(self.artifacts / share.artifact, share.files)
        directory = self.root / spec.name / self._next_name(spec.name, share.revision, slot)
        work = directory / "work"
        shutil.rmtree(directory, ignore_errors=True)
        work.mkdir(parents=True)
        for entry in artifact.iterdir():
            (work / entry.name).symlink_to(entry)
        script = _script(work, share)
        _write(directory / "spec.json", self._runner_spec(spec, share, directory, artifact, script))
        try:
            subprocess.run(
                [sys.executable, "-I", "-S", RUNNER, directory], check=True, timeout=30, close_fds=True
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise DeployerError(
                "CouldNotStart", f"This machine could not start a process: {error}"
            ) from error

    def _next_name(self, name: str, revision: int, slot: int) -> str:
        attempts = [_parse(path.name) for path in self._directories(name)]
        taken = [attempt for one, other, attempt in attempts if (one, other) == (revision, slot)]
        return f"r{revision}-{slot}-{max(taken, default=0) + 1}"

    def _runner_spec(
        self, spec: ServingSpec, share: RevisionSpec, directory: Path, artifact: Path, script: Path
    ) -> dict[str, Any]:
        threads = str(max(1, math.floor(share.cores)))
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment |= dict.fromkeys(THREAD_VARIABLES, threads) | dict(share.environment)
        environment |= {
            "HOPYARD_SCRIPT": str(script),
            "HOPYARD_HOST": "127.0.0.1",
            "HOPYARD_PORT": "0",
            "HOPYARD_SHARED_HOST": spec.host,
            "HOPYARD_SHARED_PORT": str(spec.port),
            "HOPYARD_ADDRESS_FILE": str(directory / "address"),
            "HOPYARD_TERMINATION_FILE": str(directory / "termination.json"),
            "HOPYARD_KEYS_FILE": str(spec.keys_file),
            "HOPYARD_REPLICA": directory.name,
            "HOPYARD_DRAIN_SECONDS": str(max(1, self.grace_seconds - 2)),
            "HOPYARD_ARTIFACT_DIR": str(artifact),
            "ARTIFACT_FILES_PATH": str(artifact),
            "MODEL_FILES_PATH": str(artifact),
            "SCRIPT_NAME": script.name,
            "PYTHONUNBUFFERED": "1",
        }
        if (artifact / "input_example.json").exists():
            environment["HOPYARD_INPUT_EXAMPLE"] = str(artifact / "input_example.json")
        return {
            "command": [str(self.python), "-m", "hopyard.server"],
            "environment": environment,
            "directory": str(directory / "work"),
            "memory_mb": share.memory_mb,
            "grace_seconds": self.grace_seconds,
            "log": str(self.log_dir / spec.name / f"{directory.name}.log"),
            "started_at": datetime.now(UTC).isoformat(),
        }

    def _forget_old(self, name: str) -> None:
        ended = [path for path in self._directories(name) if _read(path).phase == Phase.EXITED]
        for directory in sorted(ended, key=lambda path: path.stat().st_mtime)[:-REMEMBERED]:
            shutil.rmtree(directory, ignore_errors=True)


def _script(work: Path, share: RevisionSpec) -> Path:
    """The script among the artifact's files, or a copy of one from elsewhere beside them."""
    if any((file.path, file.sha256) == (share.script.path, share.script.sha256) for file in share.files):
        return work / share.script.path
    name = Path(share.script.path).name
    return files.copy_into(work, File(name, share.script.sha256, share.script.source))


def _is_known(ended: ReplicaStatus, spec: ServingSpec) -> bool:
    """Whether the caller has seen this end, or had asked for it."""
    return ended.name in spec.ended or (ended.exit is not None and ended.exit.was_asked)


def _read(directory: Path) -> ReplicaStatus:
    """What the files of a replica's directory say about it now."""
    revision, slot, attempt = _parse(directory.name)
    process = _process(directory)
    phase = Phase.ALIVE if _is_held(directory / "lock") else Phase.EXITED
    if phase == Phase.ALIVE and (directory / "stop").exists():
        phase = Phase.STOPPING
    address = directory / "address"
    return ReplicaStatus(
        name=directory.name,
        revision=revision,
        slot=slot,
        attempt=attempt,
        phase=phase,
        started_at=datetime.fromisoformat(_json(directory / "spec.json")["started_at"]),
        place=f"pid {process.pid}" if process else "",
        address=address.read_text().strip() if address.exists() else "",
        exit=_exit(directory) if phase == Phase.EXITED else None,
    )


def _exit(directory: Path) -> Exit:
    how = _json(directory / "exit.json")
    return Exit(
        code=how.get("code"),
        signal=how.get("signal"),
        out_of_memory=how.get("out_of_memory", False),
        was_asked=(directory / "stop").exists(),
        failure=_json(directory / "termination.json") or None,
        at=datetime.fromisoformat(how["at"]) if "at" in how else None,
    )


def _stop(directory: Path) -> None:
    """Tell the runner to end its replica; told again, it goes on ending it."""
    runner = _json(directory / "runner.json")
    (directory / "stop").touch()
    ProcessId(runner["pid"], runner["start_time"]).send(signal.SIGTERM)


def _process(directory: Path) -> ProcessId | None:
    found = _json(directory / "process.json")
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


def _parse(name: str) -> tuple[int, int, int]:
    revision, slot, attempt = name.removeprefix("r").split("-")
    return int(revision), int(slot), int(attempt)


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(content))
    draft.chmod(0o600)
    draft.replace(path)
