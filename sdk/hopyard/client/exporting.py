"""Making a model version: a draft that files go into, finalised whole or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hopyard.client.errors import HopyardError, InvalidArgument
from hopyard.client.local_files import LocalFile, Progress, collect
from hopyard.client.paths import in_project, inner, is_in_project
from hopyard.client.project import Project
from hopyard.client.records import ModelVersion


@dataclass(frozen=True)
class Description:
    """What is said of a version besides its files."""

    model: str
    version: int | None
    overwrite: bool
    description: str
    framework: str
    metrics: dict[str, Any]

    def __post_init__(self) -> None:
        if self.version is not None and (type(self.version) is not int or self.version < 1):
            raise InvalidArgument(f"A model version is a whole number from 1, not {self.version!r}.")


@dataclass(frozen=True)
class _Draft:
    id: str | int


@dataclass(frozen=True)
class Upload:
    """A draft on the platform."""

    project: Project
    id: str | int

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
def draft(project: Project, described: Description) -> Iterator[Upload]:
    """A draft that is deleted again unless the block succeeds."""
    asked = asdict(described)
    name = asked.pop("model")
    made = project.transport.record(_Draft, "POST", project.path("models", name, "uploads"), body=asked)
    upload = Upload(project, made.id)
    try:
        yield upload
    except BaseException:
        with suppress(HopyardError):  # the first failure is the one to report
            project.transport.delete(upload.path)
        raise


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
        transport.put_file(f"{upload.path}files/{inner(file.name)}", file, report)
        done += file.size
