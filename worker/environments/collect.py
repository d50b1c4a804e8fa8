"""Removes environments that nobody uses; their rows stay, and they are built again from their locks when needed."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from serving.models import Environment, Revision
from worker.environments import build, host, leases

LEFTOVERS_KEPT_SECONDS = 24 * 3600
VERIFIED_EVERY = timedelta(days=1)
COLLECTED = [Environment.State.READY, Environment.State.FAILED]


def collect() -> int:
    """Remove what no revision of a living serving names and nothing has used for long; how many there were."""
    before = timezone.now() - timedelta(hours=settings.ENVIRONMENT_KEPT_HOURS)
    unused = Environment.objects.filter(used_at__lt=before, state__in=COLLECTED).exclude(
        pk__in=_named().values("environment")
    )
    removed = sum(_remove(environment) for environment in unused)
    _remove_leftovers()
    return removed


def due_for_verification() -> list[int]:
    """Built environments in use whose files nobody has looked at for a day."""
    before = timezone.now() - VERIFIED_EVERY
    built = Environment.objects.filter(state=Environment.State.READY, pk__in=_named().values("environment"))
    return list(built.filter(Q(verified_at=None) | Q(verified_at__lt=before)).values_list("pk", flat=True))


def _named() -> QuerySet[Revision]:
    return Revision.objects.filter(serving__is_deleted=False).exclude(environment=None)


def _remove(environment: Environment) -> bool:
    """Under its lease, so that nobody builds or adopts it meanwhile; what is not in our folder is left alone."""
    folder = host.root() / environment.key
    if environment.path and Path(environment.path) != folder:
        return False
    with leases.hold(Environment, environment.pk, of=COLLECTED, to=Environment.State.GONE) as is_ours:
        if not is_ours:
            return False
        if _named().filter(environment=environment).exists():
            Environment.objects.filter(pk=environment.pk).update(state=environment.state)
            return False
        Environment.objects.filter(pk=environment.pk).update(path="", size_bytes=None, seal="")
        shutil.rmtree(build.set_aside(host.root(), environment.key), ignore_errors=True)
        build.record_of(host.root(), environment.key).unlink(missing_ok=True)
    return True


def _remove_leftovers() -> None:
    """Drafts whose builder died, and what was set aside, once nothing can run in it any more."""
    limit = time.time() - LEFTOVERS_KEPT_SECONDS
    for path in [*host.root().glob(".draft-*"), *host.root().glob(".aside-*")]:
        if path.stat().st_ctime < limit:
            shutil.rmtree(path, ignore_errors=True)
