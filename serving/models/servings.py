"""Servings, their running replicas and what happened to them."""

import secrets
from functools import partial
from typing import TYPE_CHECKING

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Project, User
from serving.states import Component, Condition, ConditionType, ReplicaState, Status

if TYPE_CHECKING:
    from serving.models.revisions import Revision

serving_name = RegexValidator(
    r"^[a-zA-Z0-9]{1,256}\Z", "A serving name has 1 to 256 letters or digits, and nothing else."
)


class Exemption(models.TextChoices):
    """What an owner lets a serving's containers do that they may not by default."""

    EGRESS = "egress", "Reaches other machines"
    WRITABLE_ROOT = "writable-root", "Writes to its root file system"
    ROOT_USER = "root-user", "Runs as root"


class Serving(models.Model):
    """A wish (`wanted_replicas` of `revision`) and the last verdict on it.

    `generation` counts the wishes, so that a step that began before the newest one knows it. `scale` is the number of
    replicas asked for by hand since the revision was made, which keeps its own. An update runs at most `surge` replicas
    more than are wanted (0: a whole second set), and waits `pace_seconds` after each that is ready. `canary` is a
    revision that gets `canary_percent` of the requests beside the current one. `exemptions` are
    the names of Exemptions from the hardening of containers that new revisions get.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="servings")
    name = models.CharField(max_length=256, validators=[serving_name])
    description = models.TextField(blank=True)
    port = models.PositiveIntegerField(unique=True)
    gateway_token = models.CharField(max_length=64, default=partial(secrets.token_urlsafe, 32))
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deployed_at = models.DateTimeField(null=True)

    revision = models.ForeignKey("Revision", models.SET_NULL, null=True, related_name="+")
    wanted_replicas = models.PositiveIntegerField(default=0)
    scale = models.PositiveIntegerField(null=True)
    surge = models.PositiveIntegerField(default=0)
    pace_seconds = models.PositiveIntegerField(default=0)
    canary = models.ForeignKey("Revision", models.SET_NULL, null=True, related_name="+")
    canary_percent = models.PositiveIntegerField(default=0)
    canary_failure = models.JSONField(null=True)
    exemptions = models.JSONField(default=list)
    generation = models.PositiveIntegerField(default=1)
    is_deleted = models.BooleanField(default=False)

    status = models.CharField(max_length=10, choices=[(s, s) for s in Status], default=Status.CREATING)
    condition_type = models.CharField(max_length=12, default=ConditionType.STOPPED)
    condition_status = models.BooleanField(null=True)
    condition_reason = models.TextField(default="Getting ready")
    failure = models.JSONField(null=True)
    has_given_up = models.BooleanField(default=False)
    setbacks = models.JSONField(default=dict)
    good_revision = models.PositiveIntegerField(null=True)
    good_replicas = models.PositiveIntegerField(null=True)
    was_ready = models.BooleanField(default=False)
    preparing = models.CharField(max_length=300, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    chain = models.CharField(max_length=32, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "project",
                Lower("name"),
                condition=models.Q(is_deleted=False),
                name="serving_name_is_free",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def condition(self) -> Condition:
        return Condition(ConditionType(self.condition_type), self.condition_status, self.condition_reason)

    @property
    def current(self) -> "Revision":
        """The revision that is wanted; every serving has one from its creation to its deletion."""
        if self.revision is None:
            raise LookupError(f"{self} has no revision.")
        return self.revision

    @property
    def wanted_total(self) -> int:
        """All replicas that are wanted, the transformer's own among them."""
        return self.wanted_replicas + self.current.own_transformers if self.wanted_replicas else 0

    @property
    def open_exemptions(self) -> set[str]:
        """What is wanted, and what containers have that run still, if `queries.servings` looked for them."""
        living: list[Revision] = getattr(self, "exempted", [])
        return {*self.exemptions, *(each for revision in living for each in revision.exemptions)}

    @property
    def exemption_labels(self) -> list[str]:
        return [each.label for each in Exemption if each in self.open_exemptions]

    @property
    def key(self) -> str:
        """The name deployers know it by: unique in the installation, for ever."""
        return f"{self.project.name}-{self.name[:40]}-{self.pk}".lower().replace("_", "-")


class Replica(models.Model):
    """One running copy, or one that ran: `name` is unique within its serving for ever. `log_counts` are how many of its
    inference records were sent, spilled and dropped so far.
    """

    serving = models.ForeignKey(Serving, models.CASCADE, related_name="replicas")
    name = models.CharField(max_length=60)
    revision = models.PositiveIntegerField()
    component = models.CharField(
        max_length=11, choices=[(c, c) for c in Component], default=Component.PREDICTOR
    )
    slot = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    deployer = models.CharField(max_length=12, default="local")
    state = models.CharField(
        max_length=10, choices=[(s, s) for s in ReplicaState], default=ReplicaState.STARTING
    )
    address = models.CharField(max_length=200, blank=True)
    place = models.CharField(max_length=200, blank=True)
    complaint = models.TextField(blank=True)
    log_counts = models.JSONField(default=dict)
    exit = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-revision", "component", "slot", "-attempt"]
        constraints = [models.UniqueConstraint(fields=["serving", "name"], name="replica_names_are_unique")]
        indexes = [models.Index(fields=["serving", "state"])]

    def __str__(self) -> str:
        return self.name


class ServingEvent(models.Model):
    """A change of wish or of status, with who or what caused it."""

    serving = models.ForeignKey(Serving, models.CASCADE, related_name="events")
    actor = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    status = models.CharField(max_length=10, blank=True)
    text = models.TextField()
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
