"""Artifacts: the immutable sets of files that replicas start from."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.models.files import Blob
from models_registry.models.versions import ModelVersion


class Artifact(models.Model):
    """The immutable files a replica starts from, addressed by the digest of their manifest.

    Number 0 is MODEL-ONLY, of which a version whose files were overwritten has several; the others hold a transformer,
    and are numbered within the version.
    """

    MODEL_ONLY = 0

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="artifacts")
    number = models.PositiveIntegerField(default=MODEL_ONLY)
    digest = models.CharField(max_length=64)
    transformer = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["number", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "digest"], condition=Q(number=0), name="model_only_is_built_once"
            ),
            models.UniqueConstraint(
                fields=["version", "number"], condition=~Q(number=0), name="artifact_numbers_are_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
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
