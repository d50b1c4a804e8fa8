"""Reads over models, versions, files and what uses them."""

import itertools
import json
import math
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from accounts.models import Project
from models_registry import paths
from models_registry.errors import NoSuchThing
from models_registry.models import ArtifactFile, Blob, ModelVersion, ProjectFile, RegisteredModel

READY = ModelVersion.State.READY
KEPT_UNREFERENCED = timedelta(days=1)


def models(project: Project) -> QuerySet[RegisteredModel]:
    """The models that have a ready version, with their latest number and count."""
    ready = Q(versions__state=READY)
    return (
        RegisteredModel.objects.filter(project=project)
        .annotate(latest=Max("versions__number", filter=ready), version_count=Count("versions", filter=ready))
        .filter(version_count__gt=0)
        .order_by("name")
    )


def model(project: Project, name: str) -> RegisteredModel:
    found = models(project).filter(name=name).first()
    if found is None:
        raise NoSuchThing(f"There is no model {name} in {project}; export one first.")
    return found


def versions(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """The ready versions, newest first, with their size in bytes."""
    return (
        ModelVersion.objects.filter(model=model, state=READY)
        .select_related("model", "created_by")
        .annotate(size=Sum("files__blob__size", default=0))
        .order_by("-number")
    )


def version(project: Project, name: str, number: int) -> ModelVersion:
    found = versions(model(project, name)).filter(number=number).first()
    if found is None:
        known = ", ".join(str(known.number) for known in versions(model(project, name)))
        raise NoSuchThing(f"Model {name} has no version {number}; it has {known}.")
    return found


def latest_version(project: Project, name: str) -> ModelVersion:
    found = versions(model(project, name)).first()
    assert found is not None  # model() finds only models with a ready version
    return found


def draft(project: Project, upload: str) -> ModelVersion:
    found = (
        ModelVersion.objects.filter(model__project=project, state=ModelVersion.State.DRAFT, upload=upload)
        .select_related("model")
        .first()
    )
    if found is None:
        raise NoSuchThing("This upload is finished, was discarded or never began; begin a new one.")
    return found


def best_version(model: RegisteredModel, metric: str, *, highest: bool) -> ModelVersion:
    """The version whose numeric `metric` is highest (or lowest); numbers written as text count."""
    scored = [
        (number, each)
        for each in versions(model)
        if (number := _number(each.metrics.get(metric))) is not None
    ]
    if not scored:
        raise NoSuchThing(f"No version of {model} has a numeric metric {metric}.")
    choose = max if highest else min
    return choose(scored, key=lambda pair: pair[0])[1]


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def servings_using(version: ModelVersion) -> list[str]:
    return list(
        version.revisions.order_by("serving__name").values_list("serving__name", flat=True).distinct()
    )


def free_files(project: Project, prefix: str = "") -> QuerySet[ProjectFile]:
    files = ProjectFile.objects.filter(project=project, version=None, path__startswith=prefix)
    return files.select_related("blob").order_by("path")


def file(project: Project, path: str) -> ProjectFile:
    """The file at a project path, `Resources/…` or `Models/<name>/<version>/…`."""
    path = paths.project_relative(path, project.name)
    inside = paths.in_version(path)
    files = ProjectFile.objects.filter(project=project).select_related("blob", "version__model")
    if inside is None:
        found = files.filter(version=None, path=path).first()
    else:
        found = files.filter(
            version__model__name=inside.model,
            version__number=inside.number,
            version__state=READY,
            path=inside.inside,
        ).first()
    if found is None:
        raise NoSuchThing(f"There is no file {path} in {project}.")
    return found


def children(project: Project, folder: str) -> list[ProjectFile]:
    """The free files at or below a project path."""
    folder = paths.resource(paths.project_relative(folder.rstrip("/"), project.name) + "/x").removesuffix(
        "/x"
    )
    return list(free_files(project).filter(Q(path=folder) | Q(path__startswith=f"{folder}/")))


def scripts(project: Project) -> list[str]:
    """Every Python file of the project that a serving could run, newest model versions first."""
    found = (
        ProjectFile.objects.filter(project=project, path__endswith=".py")
        .filter(Q(version=None) | Q(version__state=READY))
        .select_related("version__model")
        .order_by("version__model__name", "-version__number", "path")
    )
    return [each.project_path for each in found]


def manifest_digest_source(files: Iterable[tuple[str, int, str]]) -> bytes:
    """The canonical bytes of a manifest of (path, size, sha256), which its digest is taken of."""
    return json.dumps(sorted(files), ensure_ascii=False, separators=(",", ":")).encode()


def unreferenced_blobs() -> Iterable[Blob]:
    """Old blobs that no file, artifact or revision names."""
    named = [
        ProjectFile.objects.filter(blob=OuterRef("pk")),
        ArtifactFile.objects.filter(blob=OuterRef("pk")),
    ]
    old = Blob.objects.filter(touched_at__lt=timezone.now() - KEPT_UNREFERENCED)
    for each in named:
        old = old.filter(~Exists(each))
    return itertools.islice(old.filter(revision=None).iterator(), 1000)


def abandoned_drafts() -> QuerySet[ModelVersion]:
    limit = timezone.now() - KEPT_UNREFERENCED
    return ModelVersion.objects.filter(state=ModelVersion.State.DRAFT, created_at__lt=limit)
