"""What the server can do, whatever the protocol: find a model, tell whether it is ready, load and unload it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from hopyard.server.batcher import BatchLimits
from hopyard.server.failures import Failure, one_line, trimmed_traceback
from hopyard.server.flavors import Model
from hopyard.server.hosted import Hosted, Readiness
from hopyard.server.metrics import Metrics
from hopyard.server.replies import Problem
from hopyard.server.runners import ModelThread

LOADING = "The model is loading."

log = logging.getLogger(__name__)


class DataPlane:
    """The models of one server. `changed` is called whenever their doors are others than before. A single
    model that its script named otherwise also answers to `name`, which is what the server was called.
    """

    def __init__(
        self,
        name: str,
        *,
        thread: ModelThread,
        loop: asyncio.AbstractEventLoop,
        metrics: Metrics,
        stuck_seconds: float,
        concurrency: int = 1,
    ) -> None:
        self.name = name
        self.reason = LOADING
        self.changed: Callable[[], None] = _nobody
        self.hosted: dict[str, Hosted] = {}
        self._thread = thread
        self._loop = loop
        self._metrics = metrics
        self._stuck_seconds = stuck_seconds
        self._concurrency = concurrency

    @property
    def accepting(self) -> bool:
        """Whether an inference is taken at all; still true while draining."""
        return bool(self.hosted)

    @property
    def names(self) -> list[str]:
        """The served models, `name` or `name:version`, in the order they were registered."""
        return list(self.hosted)

    def serve(self, models: Sequence[Model], *, batching: Callable[[Model], BatchLimits | None]) -> None:
        """Accept inferences from now on. The first model keeps the thread that loaded it."""
        self._thread.grow(self._concurrency)
        for number, model in enumerate(models):
            hosted = Hosted(
                model,
                thread=ModelThread(self._loop, size=self._concurrency) if number else self._thread,
                loop=self._loop,
                metrics=self._metrics,
                batching=batching(model),
                stuck_seconds=self._stuck_seconds,
                concurrency=self._concurrency,
            )
            self.hosted[hosted.key] = hosted
        self.reason = ""
        self.changed()

    def stop(self, reason: str) -> None:
        """Not ready any more; what still arrives is answered."""
        self.reason = reason

    def find(self, name: str, version: str = "") -> Hosted:
        """Return a model by name, and by version if one is asked for; without one the latest. Raises Problem."""
        if not self.hosted:
            raise Problem(503, f"{self.reason} Try again soon.", "NotReady")
        if not version and ":" in name and name not in self.hosted:
            name, _, version = name.partition(":")
        named = [each for each in self.hosted.values() if name in (each.name, each.key)]
        if not named and name == self.name and len(self.hosted) == 1:
            named = list(self.hosted.values())
        if not named:
            raise self._absent(
                name, f"The model {name[:200]} is not served here; {', '.join(self.names)} is."
            )
        for hosted in reversed(named):
            if not version or version == hosted.version or not hosted.version:
                return hosted
        there = ", ".join(each.version for each in named)
        sentence = f"Version {version[:50]} of {name} is not served here; version {there} is."
        raise self._absent(f"{name}:{version}", sentence)

    @property
    def trouble(self) -> str:
        """Why no prediction can be expected to work, as far as is known without a probe; empty if nothing."""
        if self.reason:
            return self.reason
        for hosted in self.hosted.values():
            if trouble := hosted.trouble:
                return trouble if len(self.hosted) == 1 else f"{hosted.key}: {trouble}"
        return ""

    async def readiness(self) -> Readiness:
        """The whole server is ready when every model is."""
        if self.reason or not self.hosted:
            return Readiness(False, self.reason or "No model is served.", 0, None)
        states = [(each.key, await each.readiness()) for each in self.hosted.values()]
        key, worst = min(states, key=lambda state: state[1].ready)
        reason = worst.reason if worst.ready or len(states) == 1 else f"{key}: {worst.reason}"
        failures = max(state.consecutive_failures for _, state in states)
        errors = [state.last_error for _, state in states if state.last_error]
        return Readiness(worst.ready, reason, failures, errors[-1] if errors else None)

    def index(self) -> list[dict[str, str]]:
        """The repository's models: name, version, state (READY or UNAVAILABLE) and the reason for it."""
        return [
            {
                "name": each.name,
                "version": each.version,
                "state": "UNAVAILABLE" if each.trouble else "READY",
                "reason": each.trouble,
            }
            for each in self.hosted.values()
        ]

    async def load(self, name: str) -> None:
        """Build a model anew and serve it; the one before answers until then. Raises Problem."""
        hosted = self.find(name)
        load = hosted.model.load
        if load is None:
            raise Problem(501, f"{name} cannot be loaded again; restart the server.", "NotImplemented")
        try:
            model = await hosted.thread.call(load)
        except Failure as failure:
            raise Problem(503, f"{name} could not be loaded: {failure.reason}", failure.code) from None
        except BaseException as error:
            log.error("%s could not be loaded\n%s", name, trimmed_traceback(error))
            raise Problem(503, f"{name} could not be loaded: {one_line(error)}", "LoadFailed") from None
        hosted.serve(model)
        self.changed()

    async def unload(self, name: str) -> None:
        """Let go of a model; it stays known, so that it can be loaded again. Raises Problem."""
        hosted = self.find(name)
        unload = hosted.model.unload
        hosted.withdraw(f"The model {name} was unloaded; load it again.")
        self.changed()
        if unload is not None:
            try:
                await hosted.thread.call(unload)
            except BaseException as error:
                log.error("%s failed while it was unloaded\n%s", name, trimmed_traceback(error))

    def _absent(self, name: str, sentence: str) -> Problem:
        absent = next(iter(self.hosted.values())).model.absent
        return absent(name, self.names) if absent else Problem(404, sentence, "ModelNotFound")


def _nobody() -> Any:
    return None
