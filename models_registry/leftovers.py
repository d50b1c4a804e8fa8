"""Bytes that lost their last name in a project: they count for it until the sweep takes them."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from accounts.models import Project
from models_registry import queries, storage
from models_registry.models import Blob, Leftover


def size(project: Project) -> int:
    """Bytes the project gave up, that nothing has named since and that are not swept yet."""
    given_up = Leftover.objects.filter(project=project).values("blob")
    found = queries.unnamed_blobs().filter(pk__in=given_up)
    return int(found.aggregate(total=Sum("size", default=0))["total"])


@contextlib.contextmanager
def counted(project: Project, *naming: "QuerySet[Any]") -> Iterator[None]:
    """Within a transaction: what the rows of `naming`, which go in here, name is not forgotten with them."""
    Project.objects.select_for_update(no_key=True).filter(pk=project.pk).first()
    fresh = timezone.now() - queries.KEPT_UNREFERENCED
    blobs = {
        sha256
        for rows in naming
        for sha256 in rows.filter(blob__touched_at__gte=fresh).order_by().values_list("blob", flat=True)
    }
    yield
    remember(project, blobs)


def remember(project: Project, blobs: Iterable[str]) -> None:
    """Those of the blobs that nothing names count for the project from now on."""
    wanted = set(blobs)
    if not wanted:
        return
    left = queries.unnamed_blobs().filter(pk__in=wanted)
    rows = [Leftover(project=project, blob=blob) for blob in left]
    Leftover.objects.bulk_create(rows, ignore_conflicts=True)


def drop(project: Project, blob: Blob, *, is_new: bool) -> None:
    """Bytes that arrived and got no name: new ones go, others count unless something names them."""
    if is_new:
        storage.forget(blob)
    remember(project, [blob.pk])


def forget_swept() -> None:
    """Forget who gave up bytes that have a name again."""
    Leftover.objects.exclude(blob__in=queries.unnamed_blobs()).delete()
