"""Servings: create, run, watch, ask."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Unpack

from hopyard.client import waiting
from hopyard.client.errors import InvalidArgument, NotFound
from hopyard.client.paths import segment
from hopyard.client.project import Project
from hopyard.client.records import Replica, ReplicaLog, Revision, Serving, ServingEvent
from hopyard.client.settings import Changes, Settings, check_name, checked

VERBS = ("predict", "classify", "regress", "explain")
INFER = "infer"


@dataclass(frozen=True)
class _Logs:
    replicas: list[ReplicaLog]


class Servings:
    """Every method of one serving raises NotFound when there is none of that name."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def create_or_update(
        self,
        name: str,
        script: str,
        *,
        expected_revision: int | None = None,
        **settings: Unpack[Settings],
    ) -> Serving:
        """Make the serving have these settings, whether it exists or not. See Settings for what there is.

        With `expected_revision` a change somebody else made meanwhile raises Conflict instead of being lost.
        """
        check_name(name)
        body = checked({"script": script, **settings})
        if expected_revision is None:
            return self._transport.record(Serving, "PUT", self._path(name), body=body)
        body["expected_revision"] = expected_revision  # a second try would find its own change
        return self._transport.record(Serving, "PUT", self._path(name), body=body, retried=False)

    def create(self, name: str, script: str, **settings: Unpack[Settings]) -> Serving:
        """Raises Conflict when the name is taken by a serving with other settings."""
        check_name(name)
        body = {"name": name, **checked({"script": script, **settings})}
        return self._transport.record(Serving, "POST", self._project.path("servings"), body=body)

    def update(
        self, name: str, *, expected_revision: int | None = None, **changes: Unpack[Changes]
    ) -> Serving:
        """Change the settings given and no others."""
        body = checked(changes)
        if expected_revision is not None:
            body["expected_revision"] = expected_revision
        return self._transport.record(Serving, "PATCH", self._path(name), body=body)

    def get(self, name: str) -> Serving:
        return self._transport.record(Serving, "GET", self._path(name))

    def list(self) -> builtins.list[Serving]:
        return self._transport.records(Serving, self._project.path("servings"))

    def exists(self, name: str) -> bool:
        try:
            self.get(name)
        except NotFound:
            return False
        return True

    def start(self, name: str, *, wait: bool = False, timeout: float = 600) -> Serving:
        """Ask for it to run; with `wait`, return when it does. wait_until_running says what that raises."""
        serving = self._transport.record(Serving, "POST", self._path(name, "start"))
        return self.wait_until_running(name, timeout=timeout) if wait else serving

    def stop(self, name: str) -> Serving:
        """Ask for it to stop; requests under way are answered first."""
        return self._transport.record(Serving, "POST", self._path(name, "stop"))

    def roll_back(self, name: str, revision: int) -> Serving:
        """Make a new revision that is a copy of an earlier one."""
        path = self._path(name, "revisions", revision, "rollback")
        return self._transport.record(Serving, "POST", path)

    def delete(self, name: str) -> None:
        """Running or not. Its topic and the model stay."""
        self._transport.delete(self._path(name))

    def status(self, name: str) -> str:
        return self.get(name).status

    def wait_until_running(self, name: str, *, timeout: float = 600) -> Serving:
        """Poll until it answers predictions with its newest revision; `timeout` in seconds.

        Raises ServingFailed with reason and evidence when it fails or is stopped, TimedOut after that time.
        """
        return waiting.until_running(lambda: self.get(name), self._answers, timeout)

    def logs(
        self, name: str, *, replica: str | None = None, search: str | None = None, tail: int = 200
    ) -> builtins.list[ReplicaLog]:
        """The last `tail` lines of each replica, or of one; with `search`, of those that contain it."""
        asked = {"replica": replica, "search": search, "tail": tail}
        answer = self._transport.record(_Logs, "GET", self._path(name, "logs"), params=asked)
        return answer.replicas

    def events(self, name: str) -> builtins.list[ServingEvent]:
        """Newest first."""
        return self._transport.records(ServingEvent, self._path(name, "events"))

    def replicas(self, name: str) -> builtins.list[Replica]:
        """Those that live, then those that ended."""
        return self._transport.records(Replica, self._path(name, "replicas"))

    def revisions(self, name: str) -> builtins.list[Revision]:
        """Newest first."""
        return self._transport.records(Revision, self._path(name, "revisions"))

    def predict(self, name: str, data: Any, verb: str = "predict", *, timeout: float | None = None) -> Any:
        """POST `data` as it is, e.g. {"instances": [[...]]}, and return the JSON answer.

        The verb `infer` speaks the Open Inference Protocol, V2, whose data is {"inputs": [{"name", "shape",
        "datatype", "data"}]}; the others speak V1. Arrays are sent as lists. Never tried again by itself: what
        a prediction does is the script's affair.
        """
        word = verb.removeprefix(":")
        if word not in (*VERBS, INFER):
            raise InvalidArgument(f"The verb is one of {', '.join((*VERBS, INFER))}, not {verb!r}.")
        serving = segment(name)
        base = f"/inference/{segment(self._project.name)}/{serving}"
        path = f"/v2/models/{serving}/infer" if word == INFER else f"/v1/models/{serving}:{word}"
        return self._transport.json("POST", base + path, body=data, timeout=timeout)

    def _answers(self, serving: Serving) -> bool:
        """Whether a replica of its newest revision is ready, or none needs to be."""
        replicas = self._transport.each(Replica, self._path(serving.name, "replicas"))
        living = takewhile(lambda replica: replica.ended_at is None, replicas)
        return serving.status == "Idle" or any(
            replica.state == "Ready" and replica.revision == serving.revision for replica in living
        )

    def _path(self, name: str, *parts: str | int) -> str:
        return self._project.path("servings", name, *parts)
