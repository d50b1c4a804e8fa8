"""Reads over models, versions, files and what uses them."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from accounts.models import Project
from models_registry import paths
from models_registry.errors import NoSuchThing
from models_registry.models import (
    Alias,
    ArtifactFile,
    Blob,
    IncomingFile,
    ModelVersion,
    ProjectFile,
    RegisteredModel,
)

READY = ModelVersion.State.READY
KEPT_UNREFERENCED = timedelta(days=1)


def models(project: Project) -> QuerySet[RegisteredModel]:
    """The models that have a ready version, with their latest number and count."""
    ready = Q(versions__state=READY)
    return (
        RegisteredModel.objects.filter(project=project)
        .annotate(latest=Max("versions__number", filter=ready), version_count=Count("versions", filter=ready))
        .filter(version_count__gt=0)
        .prefetch_related("aliases__version", "aliases__set_by")
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
        .prefetch_related("aliases")
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


def version_before(version: ModelVersion) -> ModelVersion:
    """The version with the next lower number, or itself if there is none."""
    return versions(version.model).filter(number__lt=version.number or 0).first() or version


def version_called(project: Project, name: str, which: str) -> ModelVersion:
    """The version that a number, an alias or `latest` stands for."""
    if which == "latest":
        return latest_version(project, name)
    if which.isascii() and which.isdigit() and len(which) < 10:
        return version(project, name, int(which))
    return version(project, name, alias(model(project, name), which).version.number or 0)


def alias(model: RegisteredModel, name: str) -> Alias:
    found = Alias.objects.filter(model=model, name=name).select_related("version", "set_by").first()
    if found is None:
        known = ", ".join(model.aliases.values_list("name", flat=True)) or "none yet"
        raise NoSuchThing(f"Model {model} has no alias {name}; its aliases: {known}.")
    return found


def followers(model: RegisteredModel, alias: str) -> list[str]:
    """The servings whose wanted revision follows an alias."""
    return all_followers(model).get(alias, [])


def all_followers(model: RegisteredModel) -> dict[str, list[str]]:
    """The servings that follow an alias of the model, by alias."""
    following = ModelVersion.objects.filter(
        model=model,
        revisions__serving__revision=F("revisions__pk"),
        revisions__serving__is_deleted=False,
    ).exclude(revisions__alias="")
    found: dict[str, set[str]] = {}
    for alias, serving in following.values_list("revisions__alias", "revisions__serving__name"):
        found.setdefault(alias, set()).add(serving)
    return {alias: sorted(names) for alias, names in found.items()}


def followed(version: ModelVersion) -> list[str]:
    """For each alias of a version that servings follow: which ones, in words."""
    following = all_followers(version.model)
    names = version.aliases.filter(name__in=following).values_list("name", flat=True)
    return [f"{name} is followed by {', '.join(following[name])}" for name in names]


def draft(project: Project, upload: str, *, whole: bool = False) -> ModelVersion:
    """An upload that is not finished; the whole of it, with its files, to be shown."""
    drafts = ModelVersion.objects.filter(state=ModelVersion.State.DRAFT).select_related("model")
    if whole:
        drafts = drafts.prefetch_related("files__blob__report")
    found = drafts.filter(model__project=project, upload=upload).first()
    if found is None:
        raise NoSuchThing("This upload is finished, was discarded or never began; begin a new one.")
    return found


def best_version(model: RegisteredModel, metric: str, *, highest: bool) -> ModelVersion:
    """The version whose numeric `metric` is highest (or lowest), of equal ones the newest."""
    scored = versions_by(model, metric, highest_first=highest)
    if not scored or number_in(scored[0].metrics.get(metric)) is None:
        raise NoSuchThing(f"No version of {model} has a numeric metric {metric}.")
    return scored[0]


def versions_by(model: RegisteredModel, metric: str, *, highest_first: bool) -> list[ModelVersion]:
    """The versions by a metric, of equal ones the newest first; those without such a number come last."""
    found = [(number_in(each.metrics.get(metric)), each) for each in versions(model)]
    scored = [(number, each) for number, each in found if number is not None]
    scored.sort(key=lambda pair: -pair[0] if highest_first else pair[0])
    return [each for _, each in scored] + [each for number, each in found if number is None]


def metric_names(model: RegisteredModel) -> list[str]:
    """The names of the metrics of all versions, those that most versions have first."""
    metrics = ModelVersion.objects.filter(model=model, state=READY).values_list("metrics", flat=True)
    counted = Counter(name for each in metrics for name in each)
    return sorted(counted, key=lambda name: (-counted[name], name))


def number_in(value: object) -> float | None:
    """The value of a metric as a finite number; numbers written as text count."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def servings_using(*versions: ModelVersion) -> list[str]:
    names = ModelVersion.objects.filter(pk__in=[each.pk for each in versions], revisions__isnull=False)
    return list(
        names.order_by("revisions__serving__name")
        .values_list("revisions__serving__name", flat=True)
        .distinct()
    )


def free_files(project: Project, prefix: str = "") -> QuerySet[ProjectFile]:
    files = ProjectFile.objects.filter(project=project, version=None, path__startswith=prefix)
    return files.select_related("blob__report").order_by("path")


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


def unnamed_blobs() -> QuerySet[Blob]:
    """Blobs that no file, artifact or revision names."""
    files = ProjectFile.objects.filter(blob=OuterRef("pk"))
    lines = ArtifactFile.objects.filter(blob=OuterRef("pk"))
    return Blob.objects.filter(~Exists(files), ~Exists(lines), revision=None, transforming_revisions=None)


def unreferenced_blobs() -> Iterable[Blob]:
    """Old blobs that nothing names."""
    old = unnamed_blobs().filter(touched_at__lt=timezone.now() - KEPT_UNREFERENCED)
    return itertools.islice(old.iterator(), 1000)


def abandoned_drafts() -> QuerySet[ModelVersion]:
    """Drafts older than a day that no chunk came for since."""
    limit = timezone.now() - KEPT_UNREFERENCED
    busy = IncomingFile.objects.filter(draft=OuterRef("pk"), touched_at__gte=limit)
    return ModelVersion.objects.filter(~Exists(busy), state=ModelVersion.State.DRAFT, created_at__lt=limit)
