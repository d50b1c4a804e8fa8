"""Models, their numbered versions and the aliases that name one of them."""

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project, User

model_name = RegexValidator(
    r"^[a-zA-Z0-9_]{1,100}\Z", "A model name has 1 to 100 letters, digits or underscores, and nothing else."
)
alias_name = RegexValidator(
    r"^(?!latest\Z)[a-z][a-z0-9_-]{0,49}\Z",
    "An alias begins with a small letter, goes on with small letters, digits, “-” or “_”, and is not “latest”.",
)


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
    """A numbered version; a draft while its files arrive, and served only once it is ready.

    `packages` are the distributions, with their versions, that the model was trained with; `provenance` says with
    which Python, client, program and git commit.
    """

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
    tags = models.JSONField(default=dict)
    packages = models.JSONField(default=dict)
    provenance = models.JSONField(default=dict)
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


class Alias(models.Model):
    """A name such as `champion` that stands for one version of a model and can be moved to another."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=50, validators=[alias_name])
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="aliases")
    set_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="alias_names_one_version")]

    def __str__(self) -> str:
        return self.name
