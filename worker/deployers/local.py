"""Replicas as processes of this machine, each under a runner of its own (see `runner.py`).

Everything known about a replica is in its directory, `<root>/<serving>/<replica>/`: the runner's lock says whether
it lives, `process.json` which process it is, `exit.json` and `termination.json` how it ended. User code runs with
the platform's own rights here; memory is enforced by the runner, cores only as a hint to numeric libraries.
"""

import contextlib
import fcntl
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker.deployers import directories, files, joining
from worker.deployers.base import (
    DeployerError,
    File,
    Phase,
    ReplicaStatus,
    RevisionSpec,
    ServingSpec,
)
from worker.deployers.directories import Place

RUNNER = Path(__file__).with_name("runner.py")
REMEMBERED = 20
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE", "USER")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class LocalDeployer:
    """The directories hold what the module says, artifacts and logs."""

    root: Path
    artifacts: Path
    log_dir: Path
    grace_seconds: float = 10

    def apply(self, spec: ServingSpec) -> None:
        with self._locked(spec.name):
            wanted = {
                (share.revision, share.component, slot): share
                for share in spec.revisions
                for slot in share.slots
            }
            unseen: set[Place] = set()
            joining.allow(self._joining(spec, wanted))
            for directory in self._directories(spec.name):
                replica = directories.read(directory)
                if replica.phase == Phase.EXITED:
                    unseen |= set() if _is_known(replica, spec) else {directories.place_of(replica)}
                    continue
                is_kept = replica.phase == Phase.ALIVE and replica.name not in spec.unwanted
                if is_kept and directories.place_of(replica) in wanted:
                    del wanted[directories.place_of(replica)]
                else:
                    directories.stop(directory)
            for key in sorted(wanted.keys() - unseen):
                try:
                    self._launch(spec, wanted[key], slot=key[2])
                except OSError as error:
                    reason = f"This machine could not lay out the replica: {error}"
                    raise DeployerError("CouldNotStart", reason) from error
            self._forget_old(spec.name)

    def status(self, name: str) -> list[ReplicaStatus]:
        return [directories.read(directory) for directory in self._directories(name)]

    def remove(self, name: str) -> None:
        self.apply(ServingSpec(name=name, host="", port=0, keys_file=Path()))
        deadline = time.monotonic() + self.grace_seconds + 5
        while any(replica.phase != Phase.EXITED for replica in self.status(name)):
            if time.monotonic() > deadline:
                raise DeployerError("StillRunning", f"A replica of {name} does not end; look at its process.")
            time.sleep(0.05)
        for directory in self._directories(name):
            if directories.found_damage(directory):
                told = directories.content(directory / "spec.json").get("environment", {})
                digest = told.get("HOPYARD_ARTIFACT_DIGEST", "unknown")
                files.suspicion(self.artifacts, digest).touch()
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
        return [line.replace("\0", "") for line in lines if line >= start]

    def _directories(self, name: str) -> list[Path]:
        folder = self.root / name
        found = [path for path in folder.iterdir() if directories.is_one(path)] if folder.is_dir() else []
        return sorted(found, key=lambda path: directories.parse(path.name))

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        (self.root / name).mkdir(parents=True, exist_ok=True)
        with (self.root / name / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _launch(self, spec: ServingSpec, share: RevisionSpec, slot: int) -> None:
        before = self._attempts(spec.name, (share.revision, share.component, slot))
        is_doubted = bool(before) and directories.found_damage(before[-1])
        artifact = files.lay_out(self.artifacts, share.artifact, share.files, is_doubted=is_doubted)
        names = {path.name for path in before} | spec.ended
        attempt = directories.next_attempt(names, (share.revision, share.component, slot))
        directory = self.root / spec.name / directories.name_of(share, slot, attempt)
        work = directory / "work"
        shutil.rmtree(directory, ignore_errors=True)
        files.mirror(artifact, work)
        (directory / "manifest.json").write_bytes(share.manifest)
        if share.is_front and share.joins_port:
            joining.file_of(directory).touch()
        directories.write(directory / "spec.json", self._runner_spec(spec, share, directory, artifact))
        try:
            subprocess.run(
                [sys.executable, "-I", "-S", RUNNER, directory], check=True, timeout=30, close_fds=True
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise DeployerError(
                "CouldNotStart", f"This machine could not start a process: {error}"
            ) from error

    def _attempts(self, name: str, place: Place) -> list[Path]:
        """The directories of the replicas that a slot has had, oldest first."""
        return [path for path in self._directories(name) if directories.parse(path.name)[:3] == place]

    def _joining(self, spec: ServingSpec, wanted: Mapping[Place, RevisionSpec]) -> Iterator[Path]:
        """The directories of the replicas that live, stay, and have to be on the serving's port."""
        for directory in self._directories(spec.name):
            replica = directories.read(directory)
            share = wanted.get(directories.place_of(replica))
            is_kept = replica.phase == Phase.ALIVE and replica.name not in spec.unwanted
            if is_kept and share is not None and share.is_front and share.joins_port:
                yield directory

    def _runner_spec(
        self, spec: ServingSpec, share: RevisionSpec, directory: Path, artifact: Path
    ) -> dict[str, Any]:
        threads = str(max(1, math.floor(share.cores)))
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment |= dict.fromkeys(THREAD_VARIABLES, threads) | dict(share.environment)
        environment |= {
            "HOPYARD_HOST": "127.0.0.1",
            "HOPYARD_PORT": "0",
            "HOPYARD_ADDRESS_FILE": str(directory / "address"),
            "HOPYARD_TERMINATION_FILE": str(directory / "termination.json"),
            "HOPYARD_KEYS_FILE": str(spec.keys_file),
            "HOPYARD_REPLICA": directory.name,
            "HOPYARD_DRAIN_SECONDS": str(max(1, self.grace_seconds - 2)),
            "HOPYARD_ARTIFACT_DIR": str(directory / "work"),
            "HOPYARD_MANIFEST_DIR": str(artifact),
            "HOPYARD_ARTIFACT_DIGEST": share.artifact,
            "HOPYARD_MANIFEST": str(directory / "manifest.json"),
            "ARTIFACT_FILES_PATH": str(directory / "work"),
            "MODEL_FILES_PATH": str(directory / "work"),
            "PYTHONUNBUFFERED": "1",
        }
        if share.is_front:
            environment |= {
                "HOPYARD_SHARED_HOST": spec.host,
                "HOPYARD_SHARED_PORT": str(spec.port),
                "HOPYARD_SHARED_FILE": str(joining.file_of(directory)),
            }
        if share.predictors_file is not None:
            environment["HOPYARD_PREDICTORS_FILE"] = str(share.predictors_file)
        environment |= _scripts(directory / "work", share)
        if share.knows_example and (artifact / "input_example.json").exists():
            environment["HOPYARD_INPUT_EXAMPLE"] = str(artifact / "input_example.json")
        return {
            # -P: no file of the model takes the place of a module before the files have been verified
            "command": [str(share.python), "-P", "-m", "hopyard.server"],
            "environment": environment,
            "directory": str(directory / "work"),
            "memory_mb": share.memory_mb,
            "grace_seconds": self.grace_seconds,
            "log": str(self.log_dir / spec.name / f"{directory.name}.log"),
            "started_at": datetime.now(UTC).isoformat(),
        }

    def _forget_old(self, name: str) -> None:
        ended = [path for path in self._directories(name) if directories.read(path).phase == Phase.EXITED]
        for directory in sorted(ended, key=lambda path: path.stat().st_mtime)[:-REMEMBERED]:
            shutil.rmtree(directory, ignore_errors=True)


def _scripts(work: Path, share: RevisionSpec) -> dict[str, str]:
    """The variables that say which scripts to run."""
    variables: dict[str, str] = {}
    for name, file in (("SCRIPT", share.script), ("TRANSFORMER", share.transformer)):
        if file is not None:
            path = _lay_out(work, file, share)
            variables |= {f"HOPYARD_{name}": str(path), f"HOPYARD_{name}_SHA256": file.sha256}
            variables.setdefault("SCRIPT_NAME", path.name)
    return variables


def _lay_out(work: Path, script: File, share: RevisionSpec) -> Path:
    """The script among the artifact's files, or a copy of one from elsewhere beside them."""
    if any((file.path, file.sha256) == (script.path, script.sha256) for file in share.files):
        return work / script.path
    return files.copy_into(work, replace(script, path=Path(script.path).name))


def _is_known(ended: ReplicaStatus, spec: ServingSpec) -> bool:
    """Whether the caller has seen this end, or had asked for it."""
    return ended.name in spec.ended or (ended.exit is not None and ended.exit.was_asked)
