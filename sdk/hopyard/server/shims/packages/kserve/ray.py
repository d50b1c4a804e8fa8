"""`kserve.ray`: a model that lives in replicas of its own."""

from typing import Any

from .model import InferenceModel, InferenceVerb


class RayModel(InferenceModel):
    """Delegates to a handle of Ray Serve. A handle of this server's stand-in for Ray names a deployment, whose
    replicas the server starts itself.
    """

    def __init__(self, name: str, handle: Any) -> None:
        super().__init__(name)
        self._handle = handle

    @property
    def deployment(self) -> Any:
        """The stand-in's deployment; None where Ray itself runs it."""
        return getattr(self._handle, "deployment", None)

    def load(self) -> bool:
        """Be ready; what the replicas load, they load themselves."""
        if self.deployment is None:
            self._handle.load.remote()
        self.ready = True
        return True

    async def __call__(
        self, body: Any, headers: dict[str, str] | None = None, verb: InferenceVerb = InferenceVerb.PREDICT
    ) -> Any:
        """Ask the replicas. `verb` is not passed on."""
        return await self._handle.remote(body, headers=headers)
