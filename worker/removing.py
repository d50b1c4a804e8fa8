"""Removes a serving that is deleted: what it runs, what others were told of it, and then what is kept of it."""

import logging

from serving import logs
from serving.models import Serving, TopicOffset
from worker import keys, predictors, refusals
from worker.consuming import trimming
from worker.deployers.base import Deployer
from worker.deployers.several import PartlySeen
from worker.gateway import publishing
from worker.replaying import stepping
from worker.streaming import wanted

log = logging.getLogger(__name__)


def remove(serving: Serving, deployer: Deployer) -> bool:
    """False if it cannot go yet: an engine that is away keeps it if it ever ran something of it, and so does a replay
    that somebody is at.
    """
    publishing.withdraw(serving)
    if not stepping.end_all(serving, deployer):
        return False
    try:
        deployer.remove(serving.key)
    except PartlySeen as error:
        if serving.replicas.filter(deployer__in=error.blind).exists():
            log.warning("%s cannot be removed yet: %s", serving.key, error)
            return False
    keys.withdraw(serving)
    predictors.withdraw(serving)
    logs.forget(serving.key)
    refusals.forget(serving)
    _forget(serving)
    return True


def _forget(serving: Serving) -> None:
    """Its records go in steps first: a million in one would keep others from writing."""
    TopicOffset.objects.filter(group=wanted.group(serving)).delete()
    trimming.forget(serving)
    serving.delete()
