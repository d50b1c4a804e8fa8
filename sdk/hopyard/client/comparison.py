"""How two versions of a model differ, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """A named value on both sides, None where there is none; `state` is same, changed, added or removed.

    `difference` is after minus before, for metrics that are numbers.
    """

    name: str
    state: str
    before: Any = None
    after: Any = None
    difference: float | None = None


@dataclass(frozen=True)
class FileFacts:
    size: int
    sha256: str


@dataclass(frozen=True)
class FileChange:
    path: str
    state: str
    before: FileFacts | None = None
    after: FileFacts | None = None


@dataclass(frozen=True)
class TextDiff:
    """Lines as `diff -u` writes them; `reason` says why some are left out."""

    unified: str = ""
    added: int = 0
    removed: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """From version `a` to version `b`; `packages` holds only what differs, `diffs` the changed text files."""

    a: int
    b: int
    metrics: list[Change] = field(default_factory=list)
    about: list[Change] = field(default_factory=list)
    tags: list[Change] = field(default_factory=list)
    provenance: list[Change] = field(default_factory=list)
    packages: list[Change] = field(default_factory=list)
    files: list[FileChange] = field(default_factory=list)
    schema: TextDiff = field(default_factory=TextDiff)
    diffs: dict[str, TextDiff] = field(default_factory=dict)
