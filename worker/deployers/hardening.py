"""The limits of a replica in a container, as plain data that each deployer words for its engine.

The model's code is a stranger's. By default it runs as nobody in particular, on a root it cannot write to, without a
capability and without a way to gain one, in namespaces of its own, on a network that leads nowhere, within limits of
memory, processors, processes, files and log. Each exemption opens one of these doors and no other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.deployers import containers
from worker.deployers.base import RevisionSpec

EGRESS = "egress"
WRITABLE_ROOT = "writable-root"
ROOT_USER = "root-user"

MB = 1024 * 1024
USER = "10001:10001"
ROOT = "0:0"
OPEN_FILES = 16_384  # what an engine of few rights may still give
PROCESSES = 256
PROCESSES_PER_CORE = 64
LARGEST_SCRATCH = 1024 * MB
SMALLEST_SCRATCH = 16 * MB
ENDED_FIRST = 500  # when the machine itself runs out of memory, before the platform's own processes


@dataclass(frozen=True)
class Hardening:
    """`scratch` are the folders that can be written to, in memory and counted as such, with their bytes."""

    user: str
    is_root_read_only: bool
    has_egress: bool
    scratch: Mapping[str, int]
    shm_bytes: int
    memory_bytes: int
    nano_cpus: int
    gpus: int
    processes: int
    open_files: int = OPEN_FILES
    cap_drop: tuple[str, ...] = ("ALL",)
    security_opt: tuple[str, ...] = ("no-new-privileges:true",)
    init: bool = True
    oom_score: int = ENDED_FIRST
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=lambda: {"max-size": "10m", "max-file": "3"})

    @classmethod
    def of(cls, share: RevisionSpec, *, fetches: bool) -> "Hardening":
        """`fetches` if the files come into the container's memory, which is added to the limit."""
        scratch = min(LARGEST_SCRATCH, max(SMALLEST_SCRATCH, share.memory_mb * MB // 4))
        fetched = _fetched(share) if fetches else {}
        return cls(
            user=ROOT if ROOT_USER in share.exemptions else USER,
            is_root_read_only=WRITABLE_ROOT not in share.exemptions,
            has_egress=EGRESS in share.exemptions,
            scratch={containers.WORK: scratch, "/tmp": scratch, **fetched},  # noqa: S108 - the container's own
            shm_bytes=scratch,
            memory_bytes=share.memory_mb * MB + sum(fetched.values()),
            nano_cpus=round(share.cores * 1_000_000_000),
            gpus=share.gpus,
            processes=PROCESSES + PROCESSES_PER_CORE * math.ceil(share.cores),
        )


def _fetched(share: RevisionSpec) -> dict[str, int]:
    """The folders that files are fetched into, a little larger than they need to be."""
    files = containers.artifact_bytes(share) + 4096 * len(share.files)
    return {containers.ARTIFACT: files + files // 50 + MB, containers.START: 4 * MB + 256 * len(share.files)}
