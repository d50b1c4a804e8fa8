"""The contract of a deployer, which `tests/worker/deployers/contract.py` checks for each of them.

A deployer has four synchronous, idempotent verbs and no memory of its own. Identity is in names and labels,
so that any worker process can go on where another one ended:

`apply(spec)`    Make reality approach `spec` and return without waiting for it. Start, scale, update, heal and
                 stop are all this verb with other numbers: for every (revision, component, slot) of the spec one
                 replica lives, every other replica of the serving is told to end. A slot whose replica ended gets
                 a new one with the next attempt number once the caller knows of the end (`spec.ended`), so that
                 no end goes uncounted. Twice the same spec changes nothing.
`status(name)`   Every replica of the serving that lives, and those that ended and are still remembered.
`remove(name)`   No replica of the serving lives when it returns; twice is once; a stranger's are untouched.
`logs(name, replica, since)`
                 The replica's output, oldest line first, each line with its time; of dead attempts as well.

Errors: `DeployerError` with a sentence for the user; nothing else is raised on purpose. A replica that `status` does
not list is gone, so a deployer that cannot look, as when its engine does not answer, raises and never returns less.

Every replica has an address of its own. On the serving's port, processes of this machine listen together; containers
cannot, since each has a network of its own, and are reached there through the gateway.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol

PREDICTOR = "predictor"
TRANSFORMER = "transformer"


class DeployerError(Exception):
    """The deployer could not do it; `code` is one of the failure codes users see. What `may_pass` says nothing of the
    revision that was to be started, and `revision` is that one, where it is known.
    """

    def __init__(
        self, code: str, reason: str, *, may_pass: bool = False, revision: int | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.may_pass = may_pass
        self.revision = revision


class Phase(StrEnum):
    ALIVE = "alive"
    STOPPING = "stopping"
    EXITED = "exited"


@dataclass(frozen=True)
class File:
    """A file to lay before the replica: where it goes, what it must hash to, and what opens its bytes."""

    path: str
    sha256: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class RevisionSpec:
    """One component of a revision: which slots live, what runs in them, within which limits.

    `artifact` is the sha256 of `manifest`, the canonical list of `files`; `python` runs the replica. A predictor has
    a script, and a transformer too if both are to run in one process; a component "transformer" has only that, and
    reads the addresses of its predictors from a file. `is_front` says that callers come to it, on the serving's port
    too once an apply says `joins_port`, and `knows_example` that the stored input example is what it is asked, which is
    not so behind a transformer.

    `deployer` names the one that is to run it. A container runs `image` instead of `python`; where it shares no disk
    with the platform it fetches its files from `files_url`, which is good for a few minutes, and reads documents below
    `control_url`. `exemptions` from the hardening of containers are the values of serving.models.Exemption.
    """

    revision: int
    slots: tuple[int, ...]
    artifact: str
    manifest: bytes
    files: tuple[File, ...]
    python: Path
    script: File | None = None
    transformer: File | None = None
    component: str = PREDICTOR
    is_front: bool = True
    joins_port: bool = True
    knows_example: bool = True
    predictors_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: float = 1.0
    memory_mb: int = 1024
    gpus: int = 0
    deployer: str = "local"
    image: str = ""
    files_url: str = ""
    control_url: str = ""
    exemptions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ServingSpec:
    """A serving as it should be: the components of its revisions. None: it should be stopped.

    `unwanted` names replicas that must end although their slot lives on, in another replica; `ended` those whose
    end the caller has seen, whose attempts' numbers are not given again even where nothing is left of them. `token`
    lets the platform's own processes in at replicas that have no file of keys.
    """

    name: str
    host: str
    port: int
    keys_file: Path
    token: str = ""
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
    failure: Mapping[str, Any] | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class ReplicaStatus:
    """A replica as seen; `address` (host:port) is where it can be probed once it listens, `said` what it has
    written of itself, which becomes its exit's `failure`.
    """

    name: str
    revision: int
    slot: int
    attempt: int
    phase: Phase
    started_at: datetime
    component: str = PREDICTOR
    deployer: str = "local"
    place: str = ""
    address: str = ""
    said: Mapping[str, Any] | None = None
    exit: Exit | None = None


class Deployer(Protocol):
    def apply(self, spec: ServingSpec) -> None: ...

    def status(self, name: str) -> list[ReplicaStatus]: ...

    def remove(self, name: str) -> None: ...

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]: ...
