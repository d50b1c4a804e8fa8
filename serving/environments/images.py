"""Which revisions need an image instead of a folder, and how far its build is, read from its log."""

import re

from django.conf import settings

from serving.models import Deployer, Environment, Image, Revision

BASE = "Building the base"
PACKAGES = "Installing the packages of the lock"
ON_TOP = "Putting the packages on top of the base"
FETCHED = re.compile(r"^Fetched (\d+) packages$", re.MULTILINE)
DOING = "Building the image"


def are_needed(revision: Revision) -> bool:
    """Whether its replicas run in containers."""
    return (revision.deployer or settings.DEPLOYER) != Deployer.LOCAL


def are_enough(environment: Environment) -> bool:
    """Whether every revision that names the environment runs in containers, so that nobody needs its folder."""
    named = Revision.objects.filter(environment=environment, serving__is_deleted=False)
    found = list(named.only("deployer"))
    return bool(found) and all(map(are_needed, found))


def newest(environment: Environment) -> Image | None:
    """The one on the latest base."""
    return Image.objects.filter(environment=environment).order_by("-created_at", "-pk").first()


def progress(log: str, packages: int | None) -> str:
    """What a build is at, in a few words; `packages` is how many the lock has."""
    _, _, installing = log.partition(PACKAGES)
    if ON_TOP in log:
        return f"{DOING}: putting the packages on its base"
    if fetched := FETCHED.findall(installing):
        return f"{DOING}: {fetched[-1]} of {packages or 'some'} packages"
    if installing:
        return f"{DOING}: looking for {packages or 'the'} packages"
    return f"{DOING}: its base first" if BASE in log else DOING
