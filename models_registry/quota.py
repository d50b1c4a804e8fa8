"""How much a project may keep: what it uses, what it is allowed, and whether more fits on the disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.template.defaultfilters import filesizeformat

from accounts.models import Project
from models_registry import leftovers, storage
from models_registry.models import ArtifactFile, Blob, IncomingFile, ProjectFile

LOOK_EVERY = 64 * 1024 * 1024


class OverQuota(storage.StorageError):
    """The project may not keep that much."""

    code = "over_quota"
    status = 413


@dataclass(frozen=True)
class Usage:
    """Bytes a project keeps, each once, and how many it may keep; 0: as many as the disk holds.

    `leftover` are those of `used` that were deleted within a day and are on the disk still.
    """

    used: int
    allowed: int
    leftover: int = 0

    @property
    def nearly_full(self) -> int:
        return self.allowed * 9 // 10


def usage(project: Project, *, instead_of: IncomingFile | None = None) -> Usage:
    """What is there and what is announced, except by the file whose place something is to take."""
    there = _there(project)
    coming = IncomingFile.objects.filter(project=project)
    if instead_of is not None:
        coming = coming.exclude(pk=instead_of.pk)
    announced = coming.aggregate(total=Sum("size", default=0))["total"]
    return replace(there, used=there.used + announced)


def allowed(project: Project) -> int:
    """Bytes; 0: no limit."""
    megabytes = settings.PROJECT_QUOTA_MB if project.quota_mb is None else project.quota_mb
    return int(megabytes) * 1024 * 1024


def check(
    project: Project, more_bytes: int = 0, *, sha256: str = "", instead_of: IncomingFile | None = None
) -> None:
    """Raise OverQuota or storage.StorageFull unless `more_bytes` more may come.

    An unfinished IncomingFile counts with its whole size, so ask before its row is made; its own chunks come
    `instead_of` it. Bytes of a `sha256` that the project names already count as none.
    """
    storage.require_room(more_bytes)
    if not allowed(project) or (sha256 and _kept(project).filter(pk=sha256, size=more_bytes).exists()):
        return
    now = usage(project, instead_of=instead_of)
    if now.used + more_bytes > now.allowed:
        raise OverQuota(_sentence(project, now, more_bytes))


def check_arrived(project: Project, blob: Blob) -> None:
    """Raise OverQuota unless bytes that have all arrived may get a name, whatever others have announced."""
    now = _there(project)
    more = 0 if _kept(project).filter(pk=blob.sha256).exists() else blob.size
    if now.allowed and now.used + more > now.allowed:
        raise OverQuota(_sentence(project, now, more))


def settle(project: Project) -> None:
    """Raise OverQuota if what the running transaction has named is too much; senders at once pass one by one.

    What others have announced is not looked at: of two that are done, the first gets its place.
    """
    if allowed(project):
        one_by_one(project)
        now = _there(project)
        if now.used > now.allowed:
            raise OverQuota(_sentence(project, now, 0))


def one_by_one(project: Project) -> None:
    """Until the end of the transaction nobody else in the project asks for room or settles."""
    Project.objects.select_for_update(no_key=True).filter(pk=project.pk).first()


class Meter:
    """Lets the bytes of files whose size nobody announced through for as long as they fit."""

    def __init__(self, project: Project, *, instead_of: IncomingFile | None = None) -> None:
        self.project = project
        self.instead_of = instead_of
        self.arrived = 0
        self.next_look = 0

    def through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.arrived += len(piece)
            if self.arrived > self.next_look:
                check(self.project, self.arrived, instead_of=self.instead_of)
                self.next_look = self.arrived + LOOK_EVERY
            yield piece


def _there(project: Project) -> Usage:
    """What is on the disk because of the project, but for files that are still coming."""
    kept = _kept(project).aggregate(total=Sum("size", default=0))["total"]
    leftover = leftovers.size(project)
    return Usage(kept + leftover, allowed(project), leftover)


def _kept(project: Project) -> QuerySet[Blob]:
    """What its files name, drafts included, and what its artifacts still hold of versions that were overwritten."""
    files = ProjectFile.objects.filter(project=project)
    artifacts = ArtifactFile.objects.filter(artifact__version__model__project=project)
    return Blob.objects.filter(Q(pk__in=files.values("blob")) | Q(pk__in=artifacts.values("blob")))


def _sentence(project: Project, now: Usage, more_bytes: int) -> str:
    left = (
        f", {filesizeformat(now.leftover)} of it deleted within the last day and on the disk still"
        if now.leftover
        else ""
    )
    more = f", and {filesizeformat(more_bytes)} more would not fit" if more_bytes else ""
    return (
        f"{project} may keep {filesizeformat(now.allowed)} and uses {filesizeformat(now.used)}{left}{more}. "
        "Delete versions or resources nobody needs, or ask an owner for a larger quota."
    ).replace("\xa0", " ")
