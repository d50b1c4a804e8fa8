"""What scanning found in the bytes of a file, and who approved of them."""

from django.db import models
from django.utils import timezone

from accounts.models import Project, User
from models_registry.models.files import Blob


class FileReport(models.Model):
    """The findings on some bytes: {severity, sentence, evidence} each; `imports` are what a pickle would import."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SCANNING = "scanning", "Being scanned"
        DONE = "done", "Scanned"

    class Verdict(models.TextChoices):
        SAFE = "safe", "Safe format"
        UNKNOWN = "unknown", "Not known"
        CODE = "code", "Contains code"
        SUSPICIOUS = "suspicious", "Suspicious"
        DANGEROUS = "dangerous", "Dangerous"

    blob = models.OneToOneField(Blob, models.CASCADE, primary_key=True, related_name="report")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    verdict = models.CharField(max_length=10, choices=Verdict.choices, blank=True)
    kind = models.CharField(max_length=50, blank=True)
    findings = models.JSONField(default=list)
    imports = models.JSONField(default=list)
    scanner = models.JSONField(default=dict)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    scanned_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.blob_id[:12]}: {self.verdict or self.state}"


class Approval(models.Model):
    """An owner's word that some bytes may be served in a project although scanning warns of them."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="approvals")
    blob = models.ForeignKey(Blob, models.CASCADE, related_name="approvals")
    approved_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["project", "blob"], name="bytes_are_approved_once")]

    def __str__(self) -> str:
        return f"{self.blob_id[:12]} in {self.project}"
