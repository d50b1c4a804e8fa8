"""Removes images that nobody uses; their rows stay, and they are built again from their locks when needed."""

import datetime
from datetime import timedelta
from typing import Any

import docker
from django.conf import settings
from django.utils import timezone

from serving.models import Environment, Image, Interpreter, Revision
from worker.environments import leases
from worker.images import engine, host, names
from worker.images.sources import Sources

CACHE_KEPT = timedelta(hours=24)
COLLECTED = [Image.State.READY, Image.State.FAILED]
OF_BASES = ("hopyard/server", "hopyard/tools")
OF_BUILDS = ("hopyard/packages", "<none>")


def collect() -> int:
    """Remove images that no living serving could start from and nothing has used for long; how many there were."""
    before = timezone.now() - timedelta(hours=settings.ENVIRONMENT_KEPT_HOURS)
    unused = Image.objects.filter(used_at__lt=before, state__in=COLLECTED).select_related("environment")
    with engine.connected(host.engine_url()) as client:
        removed = sum(_remove(client, row) for row in unused if not _is_wanted(row))
        _remove_leftovers(client, before)
    return removed


def _is_wanted(row: Image) -> bool:
    """A revision names its environment, and it is on the base that would be taken."""
    named = Revision.objects.filter(serving__is_deleted=False, environment=row.environment).exists()
    return named and row.base == host.of_python(row.environment.python).digest


def _remove(client: docker.DockerClient, row: Image) -> bool:
    """Under its lease, so that nobody builds it meanwhile; what is not ours, or still runs, is left alone."""
    with leases.hold(Image, row.pk, of=COLLECTED, to=Image.State.GONE) as is_ours:
        if not is_ours:
            return False
        found = engine.find(client, row.reference)
        is_foreign = found is not None and names.MANAGED not in found.labels
        if found is not None and not is_foreign and not engine.remove(client, row.reference):
            Image.objects.filter(pk=row.pk).update(state=row.state)
            return False
        Image.objects.filter(pk=row.pk).update(image_id="", size_bytes=None)
    return True


def _remove_leftovers(client: docker.DockerClient, before: datetime.datetime) -> None:
    """Bases of other versions, packages kept for the next one, and what builds left behind; ours by their labels."""
    current = {digest for each in _sources() for digest in (each.digest, each.tools_digest)}
    found: list[dict[str, Any]] = client.images.client.api.images(filters={"label": f"{names.MANAGED}=true"})
    for image in found:
        made_at = datetime.datetime.fromtimestamp(image["Created"], datetime.UTC)
        for tag in image["RepoTags"] or ["<none>:<none>"]:
            kind = tag.rpartition(":")[0]
            is_old_base = kind in OF_BASES and image["Labels"].get(names.BASE) not in current
            is_build = kind in OF_BUILDS and made_at < timezone.now() - CACHE_KEPT
            if is_build or (is_old_base and made_at < before):
                engine.remove(client, image["Id"] if kind == "<none>" else tag)


def _sources() -> list[Sources]:
    """Of every Python that the host or an environment has."""
    versions = {*Interpreter.objects.values_list("version", flat=True)}
    versions |= {*Environment.objects.values_list("python", flat=True)}
    return [host.of_python(version) for version in versions]
