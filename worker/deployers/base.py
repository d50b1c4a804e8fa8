"""The contract of a deployer, which `tests/worker/deployers/contract.py` checks for each of them.

A deployer has four synchronous, idempotent verbs and no memory of its own. Identity is in names and labels,
so that any worker process can go on where another one ended:

`apply(spec)`    Make reality approach `spec` and return without waiting for it. Start, scale, update, heal and
                 stop are all this verb with other numbers: for every (revision, slot) of the spec one replica
                 lives, every other replica of the serving is told to end. A slot whose replica ended gets
                 a new one with the next attempt number once the caller knows of the end (`spec.ended`), so that
                 no end goes uncounted. Twice the same spec changes nothing.
`status(name)`   Every replica of the serving that lives, and those that ended and are still remembered.
`remove(name)`   No replica of the serving lives when it returns; twice is once; a stranger's are untouched.
`logs(name, replica, since)`
                 The replica's output, oldest line first, each line with its time; of dead attempts as well.

Errors: `DeployerError` with a sentence for the user; nothing else is raised on purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class DeployerError(Exception):
    """The deployer could not do it; `code` is one of the failure codes users see."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Phase(StrEnum):
    ALIVE = "alive"
    STOPPING = "stopping"
    EXITED = "exited"


@dataclass(frozen=True)
class File:
    """A file to lay before the replica: where it goes, what it must hash to, where its bytes are."""

    path: str
    sha256: str
    source: Path


@dataclass(frozen=True)
class RevisionSpec:
    """One revision's share of a serving: which slots live, what runs in them, within which limits."""

    revision: int
    slots: tuple[int, ...]
    artifact: str
    files: tuple[File, ...]
    script: File
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: float = 1.0
    memory_mb: int = 1024
    gpus: int = 0


@dataclass(frozen=True)
class ServingSpec:
    """A serving as it should be. No revisions: it should be stopped.

    `unwanted` names replicas that must end although their slot lives on, in another replica; `ended` those whose
    end the caller has seen.
    """

    name: str
    host: str
    port: int
    keys_file: Path
    revisions: tuple[RevisionSpec, ...] = ()
    unwanted: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Exit:
    """How a replica ended: `signal` or `code`; `out_of_memory` if its limit or the kernel ended it;
    `failure` is what the replica itself gave as the reason; `was_asked` if the deployer had told it to end.
    """

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    was_asked: bool = False
    failure: Mapping[str, str] | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class ReplicaStatus:
    """A replica as seen; `address` (host:port) is where it can be probed once it listens."""

    name: str
    revision: int
    slot: int
    attempt: int
    phase: Phase
    started_at: datetime
    place: str = ""
    address: str = ""
    exit: Exit | None = None


class Deployer(Protocol):
    def apply(self, spec: ServingSpec) -> None: ...

    def status(self, name: str) -> list[ReplicaStatus]: ...

    def remove(self, name: str) -> None: ...

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]: ...
