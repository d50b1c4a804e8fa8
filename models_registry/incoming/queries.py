"""Reads over files on their way in: which they are, what of them is missing, which nobody goes on with."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet, prefetch_related_objects
from django.utils import timezone

from accounts.access import Access
from accounts.models import Project
from models_registry.errors import NoSuchThing
from models_registry.incoming.layout import Layout
from models_registry.models import IncomingFile, ModelVersion, ProjectFile
from models_registry.queries import KEPT_UNREFERENCED

GONE = "This file is complete, was dropped or never began; begin it anew."


def incoming(project: Project, file_id: UUID) -> IncomingFile:
    files = IncomingFile.objects.filter(project=project)
    found = files.filter(pk=file_id).select_related("draft", "project").first()
    if found is None:
        raise NoSuchThing(GONE)
    return found


def drafts(access: Access, model: str) -> QuerySet[ModelVersion]:
    """One's own uploads of a model that are not finished, newest first."""
    drafts = ModelVersion.objects.filter(state=ModelVersion.State.DRAFT, created_by=access.user)
    return (
        drafts.filter(model__project=access.project, model__name=model)
        .select_related("model")
        .prefetch_related("files__blob__report")
        .order_by("-created_at", "-pk")
    )


def with_reports(files: Sequence[ProjectFile]) -> Sequence[ProjectFile]:
    """The files with what a list of them shows, however many they are."""
    prefetch_related_objects(files, "blob__report")
    return files


def layout(file: IncomingFile) -> Layout:
    return Layout(file.size, file.chunk_bytes)


def missing(file: IncomingFile) -> list[int]:
    present = set(file.chunks.values_list("number", flat=True))
    return [number for number in range(layout(file).count) if number not in present]


def abandoned() -> QuerySet[IncomingFile]:
    """What got no chunk for a day."""
    return IncomingFile.objects.filter(touched_at__lt=timezone.now() - KEPT_UNREFERENCED)
