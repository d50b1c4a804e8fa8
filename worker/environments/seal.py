"""Seals a folder: one sha256 over the path, size and sha256 of every file in it, so that a changed one has a name."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED = "__pycache__"  # made anew from the sources whenever it does not fit them

Entry = tuple[str, int, str]


@dataclass(frozen=True)
class Seal:
    """`size_bytes` counts all files, the skipped ones as well."""

    digest: str
    size_bytes: int


def seal(folder: Path, record: Path) -> Seal:
    """Seal the folder and write the entries to `record`, which lies outside of it."""
    text = json.dumps(sorted(_entries(folder)))
    draft = record.with_name(f".{record.name}.draft")
    draft.write_text(text)
    draft.replace(record)
    return Seal(hashlib.sha256(text.encode()).hexdigest(), _size(folder))


def difference(folder: Path, record: Path, digest: str) -> str | None:
    """What is wrong, in words that name the first file that differs, or None if all is as it was sealed."""
    try:
        text = record.read_text()
    except OSError:
        text = ""
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        return "the record of its files is missing or was changed"
    sealed = {path: (size, sha256) for path, size, sha256 in json.loads(text)}
    found = {path: (size, sha256) for path, size, sha256 in _entries(folder)}
    for path in sorted(sealed.keys() | found.keys()):
        if path not in found:
            return f"{path} is gone"
        if path not in sealed:
            return f"{path} was not there when it was built"
        if sealed[path] != found[path]:
            return f"{path} has other bytes than when it was built"
    return None


def _entries(folder: Path) -> Iterator[Entry]:
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if SKIPPED in path.parts:
            continue
        if path.is_symlink():
            yield name, 0, f"link to {path.readlink()}"
        else:
            yield name, path.stat().st_size, _sha256(path)


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        for name in [*files, *(each for each in folders if (Path(root) / each).is_symlink())]:
            yield Path(root) / name


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in _files(folder))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
