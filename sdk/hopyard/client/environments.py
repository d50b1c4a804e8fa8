"""The packages that servings run in: which environments there are, what is in them, how they were built."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from datetime import datetime

from hopyard.client.project import Project
from hopyard.client.serving_records import Failure


@dataclass(frozen=True)
class Package:
    """One package of a lock; files with other `hashes` are not installed."""

    name: str
    version: str = ""
    hashes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Environment:
    """Locked packages, built once for all servings that ask for them; `servings` are the names of the project's.

    `key` is the sha256 of Python and lock, `seal` that of all its files. `state` is waiting, building, ready, failed
    or gone. In a list `lock`, `packages` and the build's `log` are left out.
    """

    key: str
    python: str = ""
    state: str = ""
    is_locked: bool = True
    package_count: int | None = None
    size_bytes: int | None = None
    seal: str = ""
    failure: Failure | None = None
    servings: list[str] = field(default_factory=list)
    lock: str = ""
    packages: list[Package] = field(default_factory=list)
    log: str = ""
    created_at: datetime | None = None
    built_at: datetime | None = None
    build_seconds: float | None = None
    verified_at: datetime | None = None
    used_at: datetime | None = None


@dataclass(frozen=True)
class Interpreter:
    """A Python of the platform: `version` is what a serving asks for, such as 3.12."""

    version: str
    full_version: str = ""
    seen_at: datetime | None = None


class Environments:
    """Every method of one environment takes its key, or at least 12 digits of its beginning, and raises NotFound."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def list(self) -> builtins.list[Environment]:
        """Those of the project's servings, last used first."""
        return self._transport.records(Environment, self._project.path("environments"))

    def get(self, key: str) -> Environment:
        """One environment with its lock, packages and build log."""
        return self._transport.record(Environment, "GET", self._path(key))

    def pythons(self) -> builtins.list[Interpreter]:
        """The Pythons that a serving can ask for."""
        return self._transport.record(builtins.list[Interpreter], "GET", self._project.path("interpreters"))

    def verify(self, key: str) -> Environment:
        """Have every file compared with what was built; `verified_at` and `failure` tell of the outcome later."""
        return self._transport.record(Environment, "POST", self._path(key, "verify"))

    def rebuild(self, key: str) -> Environment:
        """Have it built anew from its lock."""
        return self._transport.record(Environment, "POST", self._path(key, "rebuild"))

    def _path(self, key: str, *parts: str) -> str:
        return self._project.path("environments", key, *parts)
