"""Lays an artifact's files on disk, once, whole or not at all, each checked against its sha256."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from worker.deployers.base import DeployerError, File

CHUNK = 1024 * 1024


def materialise(target: Path, files: Iterable[File]) -> Path:
    """Make `target` hold exactly `files`; a folder that is there already was complete when it appeared."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:12]}-"))
    try:
        for file in files:
            copy_into(draft, file)
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():  # another worker was first: its folder is as good
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def lay_out(artifacts: Path, digest: str, files: Iterable[File], *, is_doubted: bool) -> Path:
    """The folder of an artifact; laid out anew if it is damaged, and a replica, even one removed since, said so."""
    target, suspected = artifacts / digest, suspicion(artifacts, digest)
    if is_doubted or suspected.exists():
        heal(target, files)
        suspected.unlink(missing_ok=True)
    return materialise(target, files)


def suspicion(artifacts: Path, digest: str) -> Path:
    """The file that says that a replica, removed since, found an artifact damaged."""
    return artifacts / f".suspected-{digest}"


def heal(target: Path, files: Iterable[File]) -> None:
    """Take `target` away if what lies in it is not what was laid there, so that it is laid out anew."""
    if target.is_dir() and _is_damaged(target, {file.path: file.sha256 for file in files}):
        damaged = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".damaged-{target.name[:12]}-"))
        target.rename(damaged / target.name)
        shutil.rmtree(damaged, ignore_errors=True)


def _is_damaged(folder: Path, files: dict[str, str]) -> bool:
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
    own = {name: path for name, path in found.items() if "__pycache__" not in path.parts}
    return own.keys() != files.keys() or any(_hash(own[name]) != sha256 for name, sha256 in files.items())


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def open_to_readers(folder: Path) -> None:
    """Let a container's user, who is nobody on this machine, read what the platform laid out under its own umask."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)


def mirror(source: Path, target: Path) -> None:
    """Give `target` the folders of `source` and links to its files: what is written there stays there."""
    for folder, _, names in os.walk(source):
        inside = target / Path(folder).relative_to(source)
        inside.mkdir(parents=True, exist_ok=True)
        for name in names:
            (inside / name).symlink_to(Path(folder) / name)


def copy_into(folder: Path, file: File) -> Path:
    """Copy one file under `folder`, replacing a link of its name; a wrong hash is a named failure."""
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    hasher = hashlib.sha256()
    try:
        with file.open() as source, target.open("wb") as copy:
            while chunk := source.read(CHUNK):
                hasher.update(chunk)
                copy.write(chunk)
    except OSError as error:
        raise DeployerError("ArtifactUnreadable", f"{file.path} could not be laid out: {error}") from error
    if hasher.hexdigest() != file.sha256:
        raise DeployerError(
            "ArtifactCorrupt",
            f"{file.path} no longer has the bytes that were registered (sha256 {file.sha256[:12]}…); export it again.",
        )
    target.chmod(0o444)
    return target
