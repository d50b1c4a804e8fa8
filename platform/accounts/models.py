"""People, projects, memberships, API keys and the audit trail."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

project_name = RegexValidator(
    r"^[a-zA-Z0-9_]{1,64}\Z", "A project name has 1 to 64 letters, digits or underscores, and nothing else."
)


class Scope(models.TextChoices):
    """What a role or a key may do in its project."""

    READ = "read", "See models, servings and logs"
    PREDICT = "predict", "Ask servings for predictions"
    WRITE = "write", "Change models and servings"
    ADMIN = "admin", "Manage members and everybody's keys"


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"

    @property
    def scopes(self) -> frozenset[Scope]:
        return ROLE_SCOPES[self]


ROLE_SCOPES = {
    Role.OWNER: frozenset(Scope),
    Role.MEMBER: frozenset({Scope.READ, Scope.PREDICT, Scope.WRITE}),
    Role.VIEWER: frozenset({Scope.READ, Scope.PREDICT}),
}


class User(AbstractUser):
    class Meta(AbstractUser.Meta):
        constraints = [models.UniqueConstraint(Lower("username"), name="username_differs_by_more_than_case")]


class FilePolicy(models.TextChoices):
    """What a project does about files that scanning warns of."""

    WARN = "warn", "Warn"
    APPROVE = "approve", "Ask an owner's approval"
    BLOCK = "block", "Block"


class Project(models.Model):
    name = models.CharField(max_length=64, unique=True, validators=[project_name])
    description = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    file_policy = models.CharField(max_length=10, choices=FilePolicy.choices, default=FilePolicy.WARN)
    quota_mb = models.PositiveBigIntegerField(null=True, blank=True)
    people = models.ManyToManyField(User, through="Member", related_name="projects")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="project_name_differs_by_more_than_case")]

    def __str__(self) -> str:
        return self.name


class Member(models.Model):
    """A person's role in a project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_role_per_person")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


class ApiKey(models.Model):
    """A person's key to one project; the secret is shown once and kept as an HMAC only."""

    id = models.CharField(primary_key=True, max_length=12)
    project = models.ForeignKey(Project, models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    requests_per_second = models.PositiveIntegerField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"hop_{self.id} ({self.name})"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and not self.has_expired

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class AuditEntry(models.Model):
    """Who did what to what; rows are only ever added."""

    project = models.ForeignKey(Project, models.SET_NULL, null=True, related_name="audit_entries")
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=50)
    target = models.CharField(max_length=300)
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.target}"
