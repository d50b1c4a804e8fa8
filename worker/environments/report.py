"""Reports the host's Pythons, so that people can choose among them."""

import logging

from django.db import transaction
from django.utils import timezone

from serving.models import Interpreter
from worker.environments import host
from worker.environments.problems import EnvironmentProblem

log = logging.getLogger(__name__)


def report() -> None:
    """Write down what is there now and forget what is not."""
    try:
        found = host.pythons()
    except EnvironmentProblem as problem:
        log.warning("The host's Pythons are not known: %s", problem.reason)
        return
    now = timezone.now()
    with transaction.atomic():
        for python in found.values():
            facts = {"full_version": python.full_version, "path": str(python.path), "seen_at": now}
            Interpreter.objects.update_or_create(version=python.version, defaults=facts)
        Interpreter.objects.exclude(version__in=found).delete()
