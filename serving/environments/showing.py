"""What templates show of an environment and of the way there."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from accounts.models import Project
from serving.environments import images, platform_packages, queries
from serving.environments.queries import Use
from serving.models import Environment, Image, Resolution, Revision

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
    """An environment with its users in a project."""

    environment: Environment
    uses: list[Use]
    is_platforms: bool

    @property
    def images(self) -> list[Image]:
        environment: Any = self.environment  # a relation from the other side, which type checkers see or not
        return list(environment.images.all())

    @property
    def made(self) -> Environment | Image:
        """What is made of the lock: a folder on this host, or an image where no replica needs the folder."""
        is_folder = self.environment.state != Environment.State.WAITING or not self.images
        return self.environment if is_folder else self.images[0]

    @property
    def badge(self) -> str:
        return BADGES[self.made.state]

    @property
    def can_rebuild(self) -> bool:
        """The platform's own packages are the administrator's to build, their image is not."""
        if not self.environment.lock or self.environment.state == Environment.State.BUILDING:
            return False
        return not self.is_platforms or bool(self.images)


@dataclass(frozen=True)
class ImageRow:
    """An image with the end of its build log."""

    image: Image
    badge: str
    doing: str
    lines: list[str]

    @property
    def log_id(self) -> str:
        return f"image-log-{self.image.pk}"


def image_rows(environment: Environment) -> list[ImageRow]:
    """Newest first; `doing` only while one is built."""
    found = Image.objects.filter(environment=environment).order_by("-created_at", "-pk")
    return [
        ImageRow(each, BADGES[each.state], _doing(each, environment), queries.log_lines(each))
        for each in found
    ]


def _doing(image: Image, environment: Environment) -> str:
    under_way = image.state in UNDER_WAY
    return images.progress(image.log, environment.package_count) if under_way else ""


def rows(project: Project, environments: Collection[Environment]) -> list[Row]:
    own = platform_packages.now().key
    uses = queries.uses(project, environments)
    return [Row(each, uses[each.pk], each.key == own) for each in environments]


class Build:
    """How far a revision's packages or their image are: `is_shown` while at work on them, and if that failed."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.environment = revision.environment
        self.resolution = revision.resolution
        self.image = None
        at_work: Environment | Image | Resolution | None = self.environment or self.resolution
        if self.environment is not None and images.are_needed(revision):
            at_work = self.image = images.newest(self.environment)
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
        if self.image is not None:
            return images.progress(self.image.log, self.environment.package_count)
        return f"Building the environment, {self.environment.package_count or 'some'} packages"
