"""Keeps the bytes of several files before any of them gets a name, so that all of them get one or none does."""

from collections.abc import Iterable
from types import TracebackType
from typing import BinaryIO, Self

from accounts.models import Project
from models_registry import archives, leftovers, paths, quota, storage
from models_registry.models import Blob, IncomingFile


class Gathering:
    """A context: `found` are the files so far; leaving it by an exception forgets the bytes that were new.

    `instead_of` is the archive they come out of, whose place they take.
    """

    def __init__(self, project: Project, *, instead_of: IncomingFile | None = None) -> None:
        self.project = project
        self.meter = quota.Meter(project, instead_of=instead_of)
        self.found: list[tuple[str, Blob]] = []
        self.ours: dict[str, Blob] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            for blob in self.ours.values():
                storage.forget(blob)
            leftovers.remember(self.project, {blob.pk for _, blob in self.found})

    def add(self, path: str, pieces: Iterable[bytes]) -> None:
        path = paths.clean(path)
        blob, before = storage.keep(self.meter.through(pieces))
        self.found.append((path, blob))
        if before is None or (blob.pk in self.ours and self.ours[blob.pk].touched_at == before):
            self.ours[blob.pk] = blob
        else:
            self.ours.pop(blob.pk, None)  # somebody else brought them too

    def unpack(self, source: BinaryIO, name: str, folder: str) -> None:
        """Add every file of the archive called `name`, below `folder`."""
        prefix = f"{folder}/" if folder else ""
        archives.unpack(source, name, lambda path, pieces: self.add(f"{prefix}{path}", pieces))
