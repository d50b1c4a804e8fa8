"""The bytes of a project, the paths they lie at, and uploads under way."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project, User
from models_registry.models.versions import ModelVersion


class Blob(models.Model):
    """Some bytes, stored once under their sha256; `touched_at` keeps a fresh one from being swept."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size = models.BigIntegerField()
    touched_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha256[:12]


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


class Leftover(models.Model):
    """Some bytes that a project gave up: they count for it until they are swept, or named again."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="leftovers")
    blob = models.ForeignKey(Blob, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "blob"], name="bytes_are_left_over_once")]

    def __str__(self) -> str:
        return f"{self.blob} of {self.project}"


class IncomingFile(models.Model):
    """A file that arrives in numbered chunks, for a draft or, without one, for a free path.

    `sha256` is what the sender announced, empty if nothing; all chunks but the last have `chunk_bytes`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project = models.ForeignKey(Project, models.CASCADE, related_name="incoming_files")
    draft = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="incoming_files")
    path = models.CharField(max_length=500)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    chunk_bytes = models.PositiveIntegerField()
    unpack = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    touched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.path


class IncomingChunk(models.Model):
    """A chunk that is there in full; numbers count from 0."""

    file = models.ForeignKey(IncomingFile, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="chunk_arrives_once")]

    def __str__(self) -> str:
        return f"{self.file} chunk {self.number}"
