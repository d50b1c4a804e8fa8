"""Changes to the registry; each is one transaction and leaves nothing half-written."""

import contextlib
from collections.abc import Iterable
from typing import Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError
from django.utils import timezone

from accounts.access import Access
from accounts.models import Project
from accounts.services import record
from models_registry import leftovers, paths, queries, quota, storage
from models_registry.errors import Empty, InUse, NoSuchThing, RegistryError, VersionExists
from models_registry.models import ArtifactFile, Blob, ModelVersion, ProjectFile, RegisteredModel
from models_registry.safety.services import want_reports
from models_registry.versions import describing
from models_registry.versions.describing import Said

MOST_FILES = 10_000
READY = ModelVersion.State.READY


@transaction.atomic
def start_upload(
    *,
    access: Access,
    model_name: str,
    number: int | None = None,
    may_overwrite: bool = False,
    **said: Unpack[Said],
) -> ModelVersion:
    """Begin a model version; nothing of it is served or listed until `finalise`."""
    model = _model(access.project, model_name)
    if number is not None and not may_overwrite:
        _refuse_existing(model, number)
    return ModelVersion.objects.create(
        model=model,
        number=number,
        may_overwrite=may_overwrite,
        created_by=access.user,
        **describing.checked(said),
    )


def add_file(*, draft: ModelVersion, path: str, blob: Blob) -> ProjectFile:
    """Put a file into a draft; the same path again replaces it."""
    return add_files(draft=draft, found=[(path, blob)])[0]


@transaction.atomic
def add_files(*, draft: ModelVersion, found: Iterable[tuple[str, Blob]]) -> list[ProjectFile]:
    """Put files into a draft, all or none; a path that is there already is replaced."""
    draft = still_open(draft)
    project = draft.model.project
    there = set(draft.files.values_list("path", flat=True))
    tree = paths.Tree(there)
    blobs = {paths.added_to(tree, path): blob.sha256 for path, blob in found}
    files = [
        ProjectFile(project=project, version=draft, path=path, blob_id=sha256)
        for path, sha256 in blobs.items()
    ]
    if len(tree) > MOST_FILES:
        raise RegistryError(f"A model version has at most {MOST_FILES} files; pack some of them together.")
    with leftovers.counted(project, draft.files.filter(path__in=there & blobs.keys())):
        kept = ProjectFile.objects.bulk_create(
            files,
            update_conflicts=True,
            unique_fields=["version", "path"],
            update_fields=["blob", "updated_at"],
        )
    quota.settle(project)
    want_reports(blobs.values())
    return kept


@transaction.atomic
def finalise(*, access: Access, draft: ModelVersion) -> ModelVersion:
    """Turn a draft into the next version, the asked one, or the new content of an existing one."""
    _lock(draft.model)
    draft = still_open(draft)
    if not draft.files.filter(blob__size__gt=0).exists():
        raise Empty("A model version needs at least one file that is not empty; upload it, then finish.")
    existing = ModelVersion.objects.filter(model=draft.model, state=READY, number=draft.number).first()
    if existing is not None and not draft.may_overwrite:
        _refuse_existing(draft.model, existing.number or 0)
    version = _publish(draft) if existing is None else _replace(existing, draft)
    record(
        project=access.project,
        actor=access.user.username,
        action="overwrite_version" if existing else "export_version",
        target=str(version),
    )
    return queries.version(access.project, draft.model.name, version.number or 0)


@transaction.atomic
def discard(*, draft: ModelVersion) -> None:
    """Drop a draft, and its model if it has nothing else."""
    _lock(draft.model)
    draft = still_open(draft)
    with leftovers.counted(draft.model.project, draft.files.all()):
        draft.delete()
    _delete_if_bare(draft.model)


@transaction.atomic
def delete_version(*, access: Access, version: ModelVersion) -> None:
    """Delete a version that nothing serves, and whose aliases nothing follows."""
    _lock(version.model)
    if names := queries.servings_using(version):
        raise InUse(f"{version} is used by {', '.join(names)}; delete those servings first.")
    if followed := queries.followed(version):
        raise InUse(
            f"{version} is not deleted: its alias {', and '.join(followed)}. Move the alias to another version, or "
            "edit or delete those servings first."
        )
    lines = ArtifactFile.objects.filter(artifact__version=version)
    try:
        with leftovers.counted(access.project, version.files.all(), lines):
            version.delete()
    except ProtectedError:
        raise InUse(f"{version} has just been taken into use by a serving.") from None
    _delete_if_bare(version.model)
    record(project=access.project, actor=access.user.username, action="delete_version", target=str(version))


@transaction.atomic
def delete_model(*, access: Access, model: RegisteredModel) -> None:
    _lock(model)
    versions = list(model.versions.select_for_update())  # before the project, as whoever adds files does
    if names := queries.servings_using(*versions):
        raise InUse(f"{model} is used by {', '.join(names)}; delete those servings first.")
    files = ProjectFile.objects.filter(version__model=model)
    lines = ArtifactFile.objects.filter(artifact__version__model=model)
    try:
        with leftovers.counted(access.project, files, lines):
            model.delete()
    except ProtectedError:
        raise InUse(f"{model} has just been taken into use by a serving.") from None
    record(project=access.project, actor=access.user.username, action="delete_model", target=model.name)


@transaction.atomic
def save_file(*, access: Access, path: str, blob: Blob) -> tuple[ProjectFile, bool]:
    """Keep a free file under `Resources/`; return it and whether it is new."""
    saved = _save_file(access.project, path, blob)
    quota.settle(access.project)
    want_reports([blob.sha256])
    return saved


@transaction.atomic
def save_files(*, access: Access, found: Iterable[tuple[str, Blob]]) -> list[ProjectFile]:
    """Keep free files under `Resources/`, all or none."""
    saved = [_save_file(access.project, path, blob)[0] for path, blob in found]
    quota.settle(access.project)
    want_reports(file.blob_id for file in saved)
    return saved


def _save_file(project: Project, path: str, blob: Blob) -> tuple[ProjectFile, bool]:
    path = paths.resource(path)
    with leftovers.counted(project, queries.free_files(project).filter(path=path)):
        return ProjectFile.objects.update_or_create(
            project=project,
            version=None,
            path=path,
            defaults={"blob_id": blob.sha256, "updated_at": timezone.now()},
        )


@transaction.atomic
def delete_file(*, access: Access, file: ProjectFile) -> None:
    if file.version is not None:
        raise InUse(
            f"{file} belongs to a model version, which does not change; export a new version instead."
        )
    record(project=access.project, actor=access.user.username, action="delete_file", target=file.path)
    with leftovers.counted(access.project, ProjectFile.objects.filter(pk=file.pk)):
        file.delete()


def _model(project: Project, name: str) -> RegisteredModel:
    model = RegisteredModel(project=project, name=name)
    try:
        model.clean_fields(exclude=["project"])
    except ValidationError as error:
        raise RegistryError(" ".join(error.messages)) from None
    rows = RegisteredModel.objects.select_for_update()  # not one that goes with its last version just now
    return rows.get_or_create(project=project, name=name)[0]


def still_open(draft: ModelVersion) -> ModelVersion:
    """The draft, locked; somebody may have finished or discarded it meanwhile."""
    drafts = ModelVersion.objects.select_for_update(of=("self",)).select_related("model__project")
    found = drafts.filter(pk=draft.pk, state=ModelVersion.State.DRAFT).first()
    if found is None:
        raise NoSuchThing("This upload is finished or was discarded; begin a new one.")
    return found


def _lock(model: RegisteredModel) -> None:
    """Take turns with whoever else finishes, discards or deletes something of the model."""
    RegisteredModel.objects.select_for_update().filter(pk=model.pk).first()


def _refuse_existing(model: RegisteredModel, number: int) -> None:
    if ModelVersion.objects.filter(model=model, number=number, state=READY).exists():
        raise VersionExists(
            f"{model} version {number} exists; leave the version out for the next number, or ask to overwrite it."
        )


def _publish(draft: ModelVersion) -> ModelVersion:
    ready = ModelVersion.objects.filter(model=draft.model, state=READY)
    draft.number = draft.number or (ready.aggregate(highest=Max("number"))["highest"] or 0) + 1
    draft.state = READY
    draft.created_at = timezone.now()
    try:
        with transaction.atomic():
            draft.save()
    except IntegrityError:
        raise VersionExists(f"Somebody else has just exported {draft}; try again.") from None
    return draft


def _replace(existing: ModelVersion, draft: ModelVersion) -> ModelVersion:
    """Give an existing version the draft's content; artifacts built before keep the old files."""
    with leftovers.counted(existing.model.project, existing.files.all()):
        existing.files.all().delete()
        draft.files.update(version=existing)
    for field in (*describing.FIELDS, "created_by"):
        setattr(existing, field, getattr(draft, field))
    existing.created_at = timezone.now()
    existing.save()
    draft.delete()
    return existing


def _delete_if_bare(model: RegisteredModel) -> None:
    if not model.versions.exists():
        model.delete()


def discard_abandoned() -> int:
    """Drop drafts that nobody finished within a day, and return how many."""
    dropped = 0
    for draft in list(queries.abandoned_drafts().select_related("model")):
        with contextlib.suppress(NoSuchThing):  # finished or discarded meanwhile
            discard(draft=draft)
            dropped += 1
    return dropped


def sweep_blobs() -> int:
    """Delete the bytes of files that nothing refers to any more."""
    swept = storage.sweep(queries.unreferenced_blobs())
    leftovers.forget_swept()
    return swept
