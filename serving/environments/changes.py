"""What the buttons beside a serving's packages do: try them again, pin those of the training."""

from typing import Any

from accounts.access import Access
from serving import services
from serving.environments import queries, service, skew
from serving.errors import ServingError
from serving.models import Revision, Serving


def try_again(*, access: Access, serving: Serving) -> None:
    """Forget why the packages could not be resolved or built; a serving that should run is started again."""
    if not service.forget_failure(serving.current):
        raise ServingError("Its packages are ready or being made; there is nothing to try again.")
    services.check_again(access=access, serving=serving)
    if serving.wanted_replicas:
        services.start(access=access, serving=serving)


def pin(*, access: Access, serving: Serving, package: str = "") -> Serving:
    """Save a revision with the training's version of one skewed package, or of all of them."""
    revision = serving.current
    skews = [each for each in queries.skews(revision) if package in ("", each.package)]
    if not skews:
        raise ServingError("These packages agree with those of the training; nothing was changed.")
    changes: dict[str, Any] = {}
    if any(each.package != skew.PYTHON for each in skews):
        changes["requirements"] = skew.pins(revision.requirements, skews, otherwise=_names(revision))
    for each in skews:
        if each.package == skew.PYTHON:
            changes["python"] = ".".join(each.trained.split(".")[:2])
    return services.update(access=access, serving=serving, expected_revision=revision.number, changes=changes)


def _names(revision: Revision) -> list[str]:
    """What a revision without requirements has, without versions, for the resolver to fit to the pin."""
    return [each.name for each in queries.packages(revision.environment)] if revision.environment else []
