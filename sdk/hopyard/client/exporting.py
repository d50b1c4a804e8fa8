"""Making a model version: a draft that files go into, finalised whole or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hopyard.client.errors import ConnectFailed, HopyardError, InvalidArgument, ServerError, TimedOut
from hopyard.client.local_files import LocalFile, Progress, collect
from hopyard.client.paths import in_project, is_in_project
from hopyard.client.project import Project
from hopyard.client.records import ModelVersion, StoredFile
from hopyard.client.sending import Sending

INTERRUPTIONS = (ConnectFailed, TimedOut, ServerError, KeyboardInterrupt)


@dataclass(frozen=True)
class Description:
    """What is said of a version besides its files."""

    model: str
    version: int | None
    overwrite: bool
    description: str
    framework: str
    metrics: dict[str, Any]
    tags: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version is not None and (type(self.version) is not int or self.version < 1):
            raise InvalidArgument(f"A model version is a whole number from 1, not {self.version!r}.")


@dataclass(frozen=True)
class _Draft:
    """An upload as the platform tells it: what was said of the version, and the files that are there whole."""

    id: str | int
    version: int | None = None
    overwrite: bool = False
    description: str = ""
    framework: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    files: list[StoredFile] = field(default_factory=list)

    def is_of(self, described: Description) -> bool:
        names = ("version", "overwrite", "description", "framework", "metrics", "tags")
        return all(getattr(self, name) == getattr(described, name) for name in names)


@dataclass(frozen=True)
class Upload:
    """A draft on the platform; `kept` are the digests by path of what an earlier run brought there."""

    project: Project
    id: str | int
    kept: dict[str, str] = field(default_factory=dict)

    def has(self, file: LocalFile) -> bool:
        return file.name in self.kept and self.kept[file.name] == file.sha256()

    @property
    def path(self) -> str:
        return self.project.path("uploads", self.id)

    def finalise(self, timeout: float) -> ModelVersion:
        transport = self.project.transport
        return transport.record(ModelVersion, "POST", f"{self.path}finalise/", timeout=timeout)


def find(source: str | Path) -> list[LocalFile] | str:
    """Local files if there are any at this path, else the path in the project it must then be."""
    local = Path(source).expanduser()
    if local.exists():
        return collect(local)
    if is_in_project(str(source)):
        return in_project(str(source))
    raise InvalidArgument(
        f"There is no {source} on this machine, and paths in the project start with Resources/ or Models/."
    )


@contextmanager
def draft(project: Project, described: Description, *, resume: bool = False) -> Iterator[Upload]:
    """A draft that is deleted again unless the block succeeds.

    With `resume` it stays when the block was only interrupted, and is found again by the same description.
    """
    upload = (_earlier(project, described) if resume else None) or _begun(project, described)
    try:
        yield upload
    except BaseException as error:
        if not (resume and isinstance(error, INTERRUPTIONS)):
            with suppress(HopyardError):  # the first failure is the one to report
                project.transport.delete(upload.path)
        raise


def _begun(project: Project, described: Description) -> Upload:
    asked = asdict(described)
    name = asked.pop("model")
    made = project.transport.record(_Draft, "POST", project.path("models", name, "uploads"), body=asked)
    return Upload(project, made.id)


def _earlier(project: Project, described: Description) -> Upload | None:
    for found in project.transport.each(_Draft, project.path("models", described.model, "uploads")):
        if found.is_of(described):
            return Upload(project, found.id, {file.path: file.sha256 for file in found.files})
    return None


def fill(
    upload: Upload, sources: list[LocalFile] | str, *, timeout: float, on_progress: Progress | None = None
) -> None:
    """Send local files, or have the platform copy a path of its own."""
    transport = upload.project.transport
    if isinstance(sources, str):
        transport.json("POST", f"{upload.path}copy/", body={"source": sources}, timeout=timeout)
        return
    total, done = sum(file.size for file in sources), 0
    for file in sources:
        report = (lambda sent, before=done: on_progress(before + sent, total)) if on_progress else None
        if not upload.has(file):
            Sending(upload.project, file, file.name, upload.id).run(timeout, report)
        elif report:
            report(file.size)
        done += file.size
