"""`kserve.api_client`: the client of a Kubernetes cluster, which there is none of here."""

from typing import Any


class KServeClient:
    """Explains itself: this server has no cluster to create InferenceServices in."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        raise NotImplementedError(
            "KServeClient talks to a Kubernetes cluster, and this script runs without one. "
            "Install kserve in the environment if it must, or apply the InferenceService with the hopyard command."
        )
