"""Replays: recorded calls asked again of another revision, and where its answers differ."""

from __future__ import annotations

import builtins
from collections.abc import Callable

from hopyard.client import waiting
from hopyard.client.errors import ServingFailed
from hopyard.client.inference_records import Filters, in_words
from hopyard.client.project import Project
from hopyard.client.replay_records import Replay, ReplayedCall


class Replays:
    """Every method raises NotFound where there is no such serving, revision or replay."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def ask(
        self,
        serving: str,
        revision: int,
        *,
        selection: Filters | None = None,
        most: int = 200,
        tolerance: float = 1e-6,
    ) -> Replay:
        """Have the newest `most` recorded calls, or those of a selection such as {"status": "200"}, asked again.

        Numbers count as the same within `tolerance`, absolute or relative. Raises Conflict while another replay of
        the serving runs.
        """
        words = {name: str(value) for name, value in in_words(selection or {}).items()}
        body = {
            "revision": revision,
            "selection": words,
            "most": most,
            "tolerance": tolerance,
        }
        return self._transport.record(Replay, "POST", self._path(serving), body=body, retried=False)

    def get(self, serving: str, replay: int) -> Replay:
        return self._transport.record(Replay, "GET", self._path(serving, replay))

    def list(self, serving: str) -> builtins.list[Replay]:
        """Newest first."""
        return self._transport.records(Replay, self._path(serving))

    def calls(self, serving: str, replay: int, *, differing: bool = False) -> builtins.list[ReplayedCall]:
        """What was asked again, answers that differ first; with `differing` only those."""
        params = {"differing": "true"} if differing else {}
        return self._transport.records(ReplayedCall, self._path(serving, replay, "calls"), **params)

    def end(self, serving: str, replay: int) -> Replay:
        """End one that runs; what was asked until then stays."""
        return self._transport.record(Replay, "DELETE", self._path(serving, replay))

    def wait(
        self,
        serving: str,
        replay: int,
        *,
        timeout: float | None = None,
        on_wait: Callable[[Replay], None] | None = None,
    ) -> Replay:
        """The replay once it is done. Raises ServingFailed if it came to nothing, and TimedOut after
        so many seconds, 600 unless given."""
        found = waiting.until_replayed(lambda: self.get(serving, replay), timeout, on_wait)
        if found.failure is not None:
            raise ServingFailed(serving, found.failure.code, found.failure.reason, found.failure.evidence)
        return found

    def _path(self, serving: str, *parts: str | int) -> str:
        return self._project.path("servings", serving, "replays", *parts)
