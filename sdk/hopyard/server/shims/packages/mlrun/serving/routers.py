"""Routers: to one model of several by name, or to all of them at once."""

from typing import Any

from hopyard.server.flavors.mlrun.ensembles import Child, ParallelRun, VotingEnsemble

from ..unsupported import refused

__all__ = ["Child", "ModelRouter", "ParallelRun", "VotingEnsemble"]


class ModelRouter:
    """The plain router, by the model in the URL or in the body; the server routes itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = kwargs

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise refused(
            f"custom router {cls.__name__}",
            "derive it from VotingEnsemble or ParallelRun, or override predict",
        )
