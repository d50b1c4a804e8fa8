"""Models, their numbered versions, the files of a project and the artifacts replicas start from."""

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project, User

model_name = RegexValidator(
    r"^[a-zA-Z0-9_]{1,100}\Z", "A model name has 1 to 100 letters, digits or underscores, and nothing else."
)


class Blob(models.Model):
    """Some bytes, stored once under their sha256; `touched_at` keeps a fresh one from being swept."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size = models.BigIntegerField()
    touched_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha256[:12]


class RegisteredModel(models.Model):
    """A name under which versions are kept."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="models")
    name = models.CharField(max_length=100, validators=[model_name])
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="model_name_is_free")]

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """A numbered version; a draft while its files arrive, and served only once it is ready."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        READY = "ready", "Ready"

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    upload = models.UUIDField(default=uuid.uuid4, unique=True)
    may_overwrite = models.BooleanField(default=False)
    description = models.TextField(blank=True)
    framework = models.CharField(max_length=50, blank=True)
    metrics = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "number"], condition=Q(state="ready"), name="one_ready_version_per_number"
            ),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(number__gte=1), name="ready_version_has_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} version {self.number}"

    @property
    def folder(self) -> str:
        return f"Models/{self.model.name}/{self.number}"


class ProjectFile(models.Model):
    """A file of a project: free under `Resources/`, or inside a model version (path relative to it)."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="files")
    version = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="files")
    path = models.CharField(max_length=500)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "path"], condition=Q(version=None), name="free_path_names_one_file"
            ),
            models.UniqueConstraint(fields=["version", "path"], name="version_path_names_one_file"),
        ]

    def __str__(self) -> str:
        return self.project_path

    @property
    def project_path(self) -> str:
        return f"{self.version.folder}/{self.path}" if self.version else self.path


class Artifact(models.Model):
    """The immutable files a replica starts from; number 0 is MODEL-ONLY."""

    MODEL_ONLY = 0

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="artifacts")
    number = models.PositiveIntegerField(default=MODEL_ONLY)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["number", "id"]
        constraints = [models.UniqueConstraint(fields=["version", "digest"], name="artifact_is_built_once")]

    def __str__(self) -> str:
        return f"{self.version.model}_{self.version.number}_{self.number}"

    @property
    def label(self) -> str:
        return "MODEL-ONLY" if self.number == self.MODEL_ONLY else str(self.number)


class ArtifactFile(models.Model):
    """A line of an artifact's manifest."""

    artifact = models.ForeignKey(Artifact, models.CASCADE, related_name="files")
    path = models.CharField(max_length=500)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["artifact", "path"], name="artifact_path_names_one_file")
        ]

    def __str__(self) -> str:
        return self.path
