"""Builds artifacts: what a version holds now, alone or with a transformer, under the digest of its manifest."""

import hashlib
import re

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet, Sum

from accounts.models import Project
from models_registry import paths, queries
from models_registry.errors import NoSuchThing, RegistryError
from models_registry.models import Artifact, ArtifactFile, Blob, ModelVersion, RegisteredModel

TRANSFORMER = "transformer-"
SHA256 = re.compile("[0-9a-f]{64}")
NUMBER = re.compile("[0-9]{1,9}")
IN_ARTIFACTS = re.compile(r"Artifacts/(?P<number>[0-9]{1,9})/(?P<path>.+)", re.ASCII)

Manifest = list[tuple[str, int, str]]


def manifest_of(version: ModelVersion, transformer: tuple[str, Blob] | None = None) -> Manifest:
    """(path, size, sha256) of what an artifact built now would hold, sorted by path."""
    files = version.files.values_list("path", "blob__size", "blob_id")
    manifest = [(path, size, sha256) for path, size, sha256 in files]
    if transformer is not None:
        name, blob = transformer
        manifest.append((transformer_path(name), blob.size, blob.sha256))
    return sorted(manifest)


def digest_of(manifest: Manifest) -> str:
    return hashlib.sha256(queries.manifest_digest_source(manifest)).hexdigest()


def transformer_path(name: str) -> str:
    """Where a transformer's script lies in an artifact."""
    return f"{TRANSFORMER}{name}"


@transaction.atomic
def model_only(*, version: ModelVersion) -> Artifact:
    """The MODEL-ONLY artifact of a version as it is now: built once, then shared by all its servings."""
    manifest = manifest_of(version)
    artifact, is_new = Artifact.objects.get_or_create(
        version=version, digest=digest_of(manifest), number=Artifact.MODEL_ONLY
    )
    if is_new:
        _fill(artifact, manifest)
    return artifact


@transaction.atomic
def with_transformer(*, version: ModelVersion, name: str, blob: Blob) -> Artifact:
    """A new artifact of the version's files and a transformer, with the next number of the version."""
    manifest = manifest_of(version, (name, blob))
    if len({path for path, _, _ in manifest}) < len(manifest):
        raise RegistryError(
            f"{version} has a file {transformer_path(name)} of its own; rename the transformer."
        )
    RegisteredModel.objects.select_for_update().filter(pk=version.model_id).first()
    highest = version.artifacts.aggregate(highest=Max("number"))["highest"] or 0
    artifact = Artifact.objects.create(
        version=version, number=highest + 1, digest=digest_of(manifest), transformer=name
    )
    _fill(artifact, manifest)
    return artifact


def of(version: ModelVersion) -> QuerySet[Artifact]:
    """The version's artifacts, newest first, each with its `size` in bytes."""
    found = version.artifacts.select_related("version__model")
    counted = found.annotate(size=Sum("files__blob__size", default=0), file_count=Count("files"))
    return counted.order_by("-id")


def called(version: ModelVersion, which: str) -> Artifact:
    """The artifact with a number, MODEL-ONLY, or a digest; of several with that number the one built last."""
    if SHA256.fullmatch(which):
        chosen = Q(digest=which)
    elif which.upper() == "MODEL-ONLY":
        chosen = Q(number=Artifact.MODEL_ONLY)
    else:
        chosen = Q(number=int(which)) if NUMBER.fullmatch(which) else Q(pk=None)
    found = of(version).filter(chosen).first()
    if found is None:
        raise NoSuchThing(
            f"{version} has no artifact {which[:64]} yet; it is built when a serving is created."
        )
    return found


def at(project: Project, path: str) -> Artifact | ArtifactFile | None:
    """What lies at `Models/<model>/<version>/Artifacts/<number>/…`: the zip or a file; None for another path."""
    inside = paths.in_version(paths.project_relative(path, project.name))
    match = IN_ARTIFACTS.fullmatch(inside.inside) if inside else None
    if inside is None or match is None:
        return None
    artifact = called(queries.version(project, inside.model, inside.number), match["number"])
    if match["path"] == f"{artifact.name}.zip":
        return artifact
    found = artifact.files.select_related("blob").filter(path=match["path"]).first()
    if found is None:
        raise NoSuchThing(f"Artifact {artifact} has no file {match['path']}.")
    return found


def numbered(version: ModelVersion, number: int) -> Artifact:
    """An artifact that was built with a transformer before."""
    found = version.artifacts.filter(number=number).exclude(number=Artifact.MODEL_ONLY).first()
    if found is None:
        known = ", ".join(map(str, version.artifacts.exclude(number=0).values_list("number", flat=True)))
        has = f"it has {known}" if known else "none has been built yet"
        raise NoSuchThing(f"{version} has no artifact {number}; {has}. Write CREATE for a new one.")
    return found


def _fill(artifact: Artifact, manifest: Manifest) -> None:
    ArtifactFile.objects.bulk_create(
        ArtifactFile(artifact=artifact, path=path, blob_id=sha256) for path, _, sha256 in manifest
    )
