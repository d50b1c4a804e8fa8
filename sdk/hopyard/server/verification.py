"""Whether the files a replica starts from are the ones that were registered, looked at before any is loaded."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from hopyard.server.config import Config
from hopyard.server.failures import Failure

CHUNK_BYTES = 1024 * 1024
THREADS = 4
EVIDENCE_LINES = 100
SHOWN_DIGITS = 12
REMEDY = "Press Run, which lays the files out anew, or export the model again."


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was registered; `path` is relative to the artifact."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found to be in order."""

    files: int = 0
    size: int = 0


def verify(settings: Config) -> Verified:
    """Compare the artifact, the script and the transformer with what they must be; without such a wish there is
    nothing to do. Raises Failure ArtifactCorrupt, which names the file and the difference.
    """
    entries = _entries(settings)
    described = settings.manifest_dir or settings.artifact_dir
    differences = _of_artifact(described, entries) if described and settings.manifest else []
    scripts = [
        (path, sha256)
        for path, sha256 in (
            (settings.script, settings.script_sha256),
            (settings.transformer, settings.transformer_sha256),
        )
        if path is not None and sha256
    ]
    differences += filter(None, (_of_bytes(path, path.name, sha256) for path, sha256 in scripts))
    if differences:
        raise _corrupt(differences)
    return Verified(len(entries) + len(scripts), sum(each.size for each in entries.values()))


def _entries(settings: Config) -> Mapping[str, Entry]:
    """The manifest, by path. Raises Failure."""
    path, digest = settings.manifest, settings.artifact_digest
    if path is None:
        if digest:
            raise _unsaid("HOPYARD_ARTIFACT_DIGEST is set without HOPYARD_MANIFEST")
        return {}
    if settings.manifest_dir is None and settings.artifact_dir is None:
        raise _unsaid("HOPYARD_MANIFEST is set without HOPYARD_ARTIFACT_DIR")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise _corrupt([f"its manifest cannot be read ({error.strerror})"]) from None
    found = hashlib.sha256(text).hexdigest()
    if digest and found != digest:
        raise _corrupt([f"its manifest has other bytes ({_digits(digest, found)})"])
    try:
        entries = [Entry(str(path), int(size), str(sha256)) for path, size, sha256 in json.loads(text)]
    except (ValueError, TypeError):
        raise _corrupt(["its manifest is no list of [path, size, sha256]"]) from None
    return {each.path: each for each in entries}


def _of_artifact(directory: Path, entries: Mapping[str, Entry]) -> list[str]:
    """What differs, in sentences; the bytes are read only where everything else is as it should be."""
    stray = [f"{path} is there and was not registered" for path in _strays(directory, entries)]
    seen = [_of_state(directory, each) for each in entries.values()]
    differences = [*filter(None, seen), *stray]
    if differences:
        return differences
    largest_first = sorted(entries.values(), key=lambda each: -each.size)
    compare = [partial(_of_bytes, directory / each.path, each.path, each.sha256) for each in largest_first]
    return sorted(filter(None, _together(compare)))


def _strays(directory: Path, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Files that nobody registered. Python keeps its own beside modules it imports."""
    for folder, folders, files in os.walk(directory):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = (here / name).relative_to(directory).as_posix()
            if path not in entries:
                yield path


def _of_state(directory: Path, entry: Entry) -> str:
    parts = PurePosixPath(entry.path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        return f"{entry.path} is outside of it"
    try:
        known = (directory / entry.path).lstat()
    except FileNotFoundError:
        return f"{entry.path} is missing"
    except (OSError, ValueError) as error:
        return f"{entry.path} cannot be looked at ({error})"
    if not S_ISREG(known.st_mode):
        return f"{entry.path} is no regular file"
    if known.st_size != entry.size:
        return f"{entry.path} has another size (expected {entry.size:,} bytes, found {known.st_size:,})"
    return ""


def _of_bytes(path: Path, name: str, expected: str) -> str:
    try:
        found = _sha256(path)
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    return "" if found == expected else f"{name} has other bytes ({_digits(expected, found)})"


def _sha256(path: Path) -> str:
    hasher, chunk = hashlib.sha256(), memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(chunk):
            hasher.update(chunk[:size])
    return hasher.hexdigest()


def _together(calls: Sequence[Callable[[], str]]) -> list[str]:
    """Hashing lets go of the interpreter's lock. No thread is left: a process that is to be forked has none."""
    threads = min(THREADS, len(calls), os.cpu_count() or 1)
    if threads < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda call: call(), calls))


def _digits(expected: str, found: str) -> str:
    return f"expected sha256 {expected[:SHOWN_DIGITS]}, found {found[:SHOWN_DIGITS]}"


def _corrupt(differences: Sequence[str]) -> Failure:
    more = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
    reason = f"The artifact is not what was registered: {differences[0]}{more}. {REMEDY}"
    evidence = differences[:EVIDENCE_LINES] if more else ()
    return Failure("ArtifactCorrupt", reason, "\n".join(evidence))


def _unsaid(reason: str) -> Failure:
    return Failure("ConfigurationInvalid", f"{reason}; set both or neither.")
