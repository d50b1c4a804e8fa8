"""Pre-flights: what a throw-away process found out about a script, its files and its environment."""

from django.db import models
from django.utils import timezone

from accounts.models import Project, User

FILES_REFUSED = "FilesRefused"
PACKAGES = "packages"
OF_THE_STORE = {FILES_REFUSED, "ArtifactCorrupt", "ArtifactUnreadable"}
OF_THE_ENGINE = {
    "CannotBeScheduled",
    "CouldNotStart",
    "DeployerMissing",
    "EngineRefused",
    "EngineUnreachable",
    "FilesUnreachable",
    "FilesWithheld",
    "GpuMissing",
    "ImageMissing",
    "Lost",
    "NameTaken",
    "NetworkClosed",
    "NetworkMissing",
    "NetworkOpen",
    "NodeDown",
    "NotASwarmManager",
    "PathNotShared",
    "StillRunning",
}
FROM_OUTSIDE = OF_THE_STORE | OF_THE_ENGINE


class CheckState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Checking"
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"


class Preflight(models.Model):
    """One check of a `subject`, everything that decides how a replica starts; `digest` is its sha256.

    `checks` are, in order, {name, title, state, sentence, code, evidence, seconds}, the state being a CheckState.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Checking"
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"

    project = models.ForeignKey(Project, models.CASCADE, related_name="preflights")
    digest = models.CharField(max_length=64)
    subject = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    checks = models.JSONField(default=list)
    log = models.TextField(blank=True)
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    chain = models.CharField(max_length=32, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "digest"], name="a_subject_is_checked_once")
        ]

    def __str__(self) -> str:
        return f"pre-flight {self.pk}: {self.state}"

    @property
    def key(self) -> str:
        """The name deployers know its process by."""
        return f"preflight-{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state in {self.State.PASSED, self.State.FAILED}

    @property
    def is_red(self) -> bool:
        """Whether the script, its files or its packages were found wanting."""
        return self.state == self.State.FAILED and not self.awaits_policy

    @property
    def lacks_packages(self) -> bool:
        """Whether nothing of it could start, whoever wished to."""
        return any(check["name"] == PACKAGES for check in self.failed_checks)

    @property
    def may_pass_by_itself(self) -> bool:
        """Whether it is red for a cause that lies outside of what was checked."""
        return any(check["code"] in FROM_OUTSIDE for check in self.failed_checks)

    @property
    def awaits_policy(self) -> bool:
        """Whether it came to nothing only because the project's policy refused the files, which may change."""
        failed = self.failed_checks
        return bool(failed) and all(check["code"] == FILES_REFUSED for check in failed)

    @property
    def failed_checks(self) -> list[dict[str, object]]:
        return [check for check in self.checks if check["state"] == "failed"]
