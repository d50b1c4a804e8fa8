"""What the platform answers with, as frozen dataclasses. All times carry their zone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class StoredFile:
    """One file of `size` bytes; `path` starts with Resources/ or Models/, or is inside its model version."""

    path: str
    size: int = 0
    sha256: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model; `servings` are the names that serve it. Size in bytes.

    Its files never change. `provenance` tells who exported it with what, `packages` the distributions and versions
    that were imported then.
    """

    model: str
    version: int
    description: str = ""
    framework: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    input_example: Any = None
    model_schema: dict[str, Any] | None = None
    size: int = 0
    files: list[StoredFile] = field(default_factory=list)
    servings: list[str] = field(default_factory=list)
    created_by: str = ""
    created_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where its files are in the project: scripts are named by `<path>/<file>`."""
        return f"Models/{self.model}/{self.version}"


@dataclass(frozen=True)
class Alias:
    """A name that stands for one version of a model until it is moved."""

    name: str
    version: int
    set_by: str = ""
    set_at: datetime | None = None


@dataclass(frozen=True)
class Model:
    """A named model; in a list of models without the versions and aliases themselves."""

    name: str
    latest: int | None = None
    version_count: int = 0
    aliases: list[Alias] = field(default_factory=list)
    versions: list[ModelVersion] = field(default_factory=list)
    created_at: datetime | None = None


def to_json(record: Any) -> Any:
    """A record, or a list of them, as plain JSON values."""
    if isinstance(record, list):
        return [to_json(each) for each in record]
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return to_json(dataclasses.asdict(record))
    if isinstance(record, dict):
        return {name: to_json(value) for name, value in record.items()}
    return record.isoformat() if isinstance(record, datetime) else record
