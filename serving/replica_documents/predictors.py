"""Which predictors a transformer in replicas of its own may ask now."""

from serving.models import Replica, Serving
from serving.states import Component, ReplicaState

LARGEST_NUMBER = 2**31 - 1


def addresses(serving: Serving, revision: int) -> list[str]:
    """Where the ready predictors of a revision answer, as `host:port`."""
    if revision > LARGEST_NUMBER:
        return []
    ready = Replica.objects.filter(
        serving=serving, revision=revision, component=Component.PREDICTOR, state=ReplicaState.READY
    )
    return sorted(ready.exclude(address="").values_list("address", flat=True))
