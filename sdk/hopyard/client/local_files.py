"""Files on this machine: what a path stands for, its digest, reading in pieces, writing whole."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hopyard.client.errors import ConnectFailed, InvalidArgument

Report = Callable[[int], None]
"""Gets the bytes of one file done so far; starts again from 0 when a file is sent again."""

Progress = Callable[[int, int], None]
"""Gets the bytes done and the bytes there are, over all files."""

SKIPPED_FOLDERS = {"__pycache__", ".git", ".hg", ".svn", ".bzr"}


@dataclass(frozen=True)
class LocalFile:
    """A file to send; `name` is its path inside what is sent, with forward slashes."""

    path: Path
    name: str
    size: int

    def sha256(self) -> str:
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def chunks(self, size: int, report: Report | None = None) -> Iterator[bytes]:
        """Exactly `self.size` bytes: what grows meanwhile is cut, what shrinks is refused."""
        done = 0
        with self.path.open("rb") as stream:
            while done < self.size:
                chunk = stream.read(min(size, self.size - done))
                if not chunk:
                    raise InvalidArgument(f"{self.path} became shorter while it was being sent.")
                yield chunk
                done += len(chunk)
                if report:
                    report(done)

    def piece(self, offset: int, length: int) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(offset)
            found = stream.read(length)
        if len(found) < length:
            raise InvalidArgument(f"{self.path} became shorter while it was being sent.")
        return found


def collect(source: Path) -> list[LocalFile]:
    """A file by itself, or a folder's children at any depth, in a stable order.

    Caches and version control are left out. A link is followed to a file inside the folder only: one that
    leads out could send what was never meant to leave this machine.

    Raises InvalidArgument for a link that leads out or to a folder, and for a folder with nothing to send.
    """
    source = source.resolve()
    if source.is_file():
        return [_local_file(source, source.name)]
    found = [_local_file(path, path.relative_to(source).as_posix()) for path in _walk(source, source)]
    if not found:
        raise InvalidArgument(f"There is no file in {source}.")
    return found


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            target = path.resolve()
            if not target.is_relative_to(root) or not target.is_file():
                raise InvalidArgument(
                    f"{path} links to {target}: only links to files inside {root} are sent."
                )
            yield path
        elif path.is_dir():
            if path.name not in SKIPPED_FOLDERS:
                yield from _walk(path, root)
        else:
            yield path


def _local_file(path: Path, name: str) -> LocalFile:
    if not path.is_file():
        raise InvalidArgument(f"{path} is not a regular file.")
    return LocalFile(path, name, path.stat().st_size)


def inside(folder: Path, name: str) -> Path:
    """`folder/name`, refusing a name from a server that would lead out of the folder."""
    target = folder / name
    if not target.resolve().is_relative_to(folder.resolve()) or target.resolve() == folder.resolve():
        raise InvalidArgument(f"{name!r} leads out of {folder}.")
    return target


def write_whole(
    target: Path, chunks: Iterable[bytes], *, sha256: str = "", report: Report | None = None
) -> None:
    """Write beside the target, check the digest, then put it in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, done = hashlib.sha256(), 0
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as stream:
            for chunk in chunks:
                stream.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if report:
                    report(done)
        if sha256 and digest.hexdigest() != sha256:
            raise ConnectFailed(f"{target.name} arrived damaged: its SHA-256 is not what the platform keeps.")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
