"""How much a project may keep: what it uses, what it is allowed, and whether more fits on the disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.template.defaultfilters import filesizeformat

from accounts.models import Project
from models_registry import storage
from models_registry.models import ArtifactFile, Blob, IncomingFile, ProjectFile

LOOK_EVERY = 64 * 1024 * 1024


class OverQuota(storage.StorageError):
    """The project may not keep that much."""

    code = "over_quota"
    status = 413


@dataclass(frozen=True)
class Usage:
    """Bytes a project keeps, each once, and how many it may keep; 0: as many as the disk holds."""

    used: int
    allowed: int

    @property
    def nearly_full(self) -> int:
        return self.allowed * 9 // 10


def usage(project: Project) -> Usage:
    used = _kept(project).aggregate(total=Sum("size", default=0))["total"]
    coming = IncomingFile.objects.filter(project=project).aggregate(total=Sum("size", default=0))["total"]
    return Usage(used + coming, allowed(project))


def allowed(project: Project) -> int:
    """Bytes; 0: no limit."""
    megabytes = settings.PROJECT_QUOTA_MB if project.quota_mb is None else project.quota_mb
    return int(megabytes) * 1024 * 1024


def check(project: Project, more_bytes: int = 0, *, sha256: str = "") -> None:
    """Raise OverQuota or storage.StorageFull unless `more_bytes` more may come.

    An unfinished IncomingFile counts with its whole size, so ask before its row is made, and delete the row before
    its file is named, in the same transaction. Bytes of a `sha256` that the project names already count as none.
    """
    storage.require_room(more_bytes)
    if not allowed(project) or (sha256 and _kept(project).filter(pk=sha256).exists()):
        return
    now = usage(project)
    if now.used + more_bytes > now.allowed:
        raise OverQuota(_sentence(project, now, more_bytes))


def settle(project: Project) -> None:
    """Raise OverQuota if what the running transaction has named is too much; senders at once pass one by one."""
    if allowed(project):
        Project.objects.select_for_update(no_key=True).filter(pk=project.pk).first()
        now = usage(project)
        if now.used > now.allowed:
            raise OverQuota(_sentence(project, now, 0))


class Meter:
    """Lets the bytes of files whose size nobody announced through for as long as they fit."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.arrived = 0
        self.next_look = 0

    def through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.arrived += len(piece)
            if self.arrived > self.next_look:
                check(self.project, self.arrived)
                self.next_look = self.arrived + LOOK_EVERY
            yield piece


def _kept(project: Project) -> QuerySet[Blob]:
    """What its files name, drafts included, and what its artifacts still hold of versions that were overwritten."""
    files = ProjectFile.objects.filter(project=project)
    artifacts = ArtifactFile.objects.filter(artifact__version__model__project=project)
    return Blob.objects.filter(Q(pk__in=files.values("blob")) | Q(pk__in=artifacts.values("blob")))


def _sentence(project: Project, now: Usage, more_bytes: int) -> str:
    more = f", and {filesizeformat(more_bytes)} more would not fit" if more_bytes else ""
    return (
        f"{project} may keep {filesizeformat(now.allowed)} and uses {filesizeformat(now.used)}{more}. "
        "Delete versions or resources nobody needs, or ask an owner for a larger quota."
    ).replace("\xa0", " ")
