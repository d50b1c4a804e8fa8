"""What templates show of an environment and of the way there."""

from collections.abc import Collection
from dataclasses import dataclass

from accounts.models import Project
from serving.environments import platform_packages, queries
from serving.environments.queries import Use
from serving.models import Environment, Resolution, Revision

UNDER_WAY = {"waiting", "building", "resolving"}
BADGES = {
    "waiting": "creating",
    "building": "creating",
    "ready": "ready",
    "failed": "failed",
    "gone": "stopped",
}


@dataclass(frozen=True)
class Row:
    """An environment with its users in a project; `badge` is the shape its state is shown in."""

    environment: Environment
    uses: list[Use]
    badge: str
    is_platforms: bool


def rows(project: Project, environments: Collection[Environment]) -> list[Row]:
    own = platform_packages.now().key
    uses = queries.uses(project, environments)
    return [Row(each, uses[each.pk], BADGES[each.state], each.key == own) for each in environments]


class Build:
    """How far a revision's packages are: `is_shown` while they are resolved or built, and if that failed."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.environment = revision.environment
        self.resolution = revision.resolution
        at_work: Environment | Resolution | None = self.environment or self.resolution
        self.state = at_work.state if at_work else "ready"
        self.failure = at_work.failure if at_work else None
        self.lines = queries.log_lines(at_work) if at_work else []
        self.tag = queries.build_tag(revision)

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def has_failed(self) -> bool:
        return self.state == "failed"

    @property
    def is_shown(self) -> bool:
        return self.is_under_way or self.has_failed

    @property
    def doing(self) -> str:
        if self.environment is None:
            return "Resolving the requirements"
        return f"Building the environment, {self.environment.package_count or 'some'} packages"
