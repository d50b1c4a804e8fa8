"""Servings: create, run, watch, ask."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Unpack

from hopyard.client import requirements, waiting
from hopyard.client.errors import HopyardError, InvalidArgument, NotFound, PreflightFailed
from hopyard.client.moments import moment
from hopyard.client.paths import segment
from hopyard.client.project import Project
from hopyard.client.serving_records import (
    PREDICTOR,
    TRANSFORMER,
    Preflight,
    Replica,
    ReplicaLog,
    Revision,
    Serving,
    ServingEvent,
)
from hopyard.client.settings import Changes, Settings, check_name, check_percent, check_whole, checked

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
        body = _body({"script": script, **settings})
        if expected_revision is None:
            return self._transport.record(Serving, "PUT", self._path(name), body=body)
        body["expected_revision"] = expected_revision  # a second try would find its own change
        return self._transport.record(Serving, "PUT", self._path(name), body=body, retried=False)

    def create(self, name: str, script: str, **settings: Unpack[Settings]) -> Serving:
        """Raises Conflict when the name is taken by a serving with other settings."""
        check_name(name)
        body = {"name": name, **_body({"script": script, **settings})}
        return self._transport.record(Serving, "POST", self._project.path("servings"), body=body)

    def update(
        self, name: str, *, expected_revision: int | None = None, **changes: Unpack[Changes]
    ) -> Serving:
        """Change the settings given and no others."""
        body = _body(changes)
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

    def start(
        self,
        name: str,
        *,
        wait: bool = False,
        timeout: float | None = None,
        override: bool = False,
        on_wait: Callable[[Serving], None] | None = None,
    ) -> Serving:
        """Ask for it to run; with `wait`, return when it does. wait_until_running says what that raises.

        Raises PreflightFailed with the failed checks when its pre-flight is red; an owner may start it nevertheless
        with `override`, which is recorded. Raises FilesRefused when the project's policy keeps a file from serving.
        """
        body = {"override": True} if override else None
        try:
            serving = self._transport.record(Serving, "POST", self._path(name, "start"), body=body)
        except PreflightFailed as error:
            with suppress(HopyardError):  # the first refusal is the one to report
                found = self.preflight(name)
                error.checks = found.failed_checks if found else ()
            raise
        return self.wait_until_running(name, timeout=timeout, on_wait=on_wait) if wait else serving

    def stop(self, name: str) -> Serving:
        """Ask for it to stop; requests under way are answered first."""
        return self._transport.record(Serving, "POST", self._path(name, "stop"))

    def scale(self, name: str, replicas: int) -> Serving:
        """Run so many replicas from now on, without a new revision; a stopped serving remembers it for its start."""
        check_whole("replicas", replicas, 1)
        return self._transport.record(Serving, "POST", self._path(name, "scale"), body={"replicas": replicas})

    def set_pace(self, name: str, *, surge: int | None = None, pace_seconds: int | None = None) -> Serving:
        """How updates go: at most `surge` replicas more than wanted at a time, 0 for a whole second set, and
        `pace_seconds` for which a new one stays ready before an old one leaves. What is left out stays.
        """
        asked = {"surge": surge, "pace_seconds": pace_seconds}
        body = {field: value for field, value in asked.items() if value is not None}
        for field, value in body.items():
            check_whole(field, value, 0)
        return self._transport.record(Serving, "PATCH", self._path(name, "pace"), body=body)

    def canary(self, name: str, percent: int, **changes: Unpack[Changes]) -> Serving:
        """Try these changes on `percent` of the requests, in a new revision beside the current one; without changes
        give the canary that runs another part.

        Raises Conflict when there is a canary already, NotFound when there is none to change.
        """
        check_percent(percent)
        method = "POST" if changes else "PATCH"
        body = {"percent": percent, **_body(changes)}
        return self._transport.record(Serving, method, self._path(name, "canary"), body=body)

    def promote(self, name: str) -> Serving:
        """Make the canary the current revision; its replicas stay. Raises NotFound when there is no canary."""
        return self._transport.record(Serving, "POST", self._path(name, "canary", "promote"))

    def withdraw(self, name: str) -> Serving:
        """End the canary; the current revision gets all requests. Raises NotFound when there is no canary."""
        return self._transport.record(Serving, "DELETE", self._path(name, "canary"))

    def set_exemptions(self, name: str, exemptions: Collection[str]) -> Serving:
        """Let its containers do exactly this beyond the default: egress, writable-root, root-user. Owners only."""
        body = {"exemptions": sorted(exemptions)}
        return self._transport.record(Serving, "PUT", self._path(name, "exemptions"), body=body)

    def check(
        self,
        script: str,
        *,
        timeout: float | None = None,
        on_wait: Callable[[Preflight], None] | None = None,
        **settings: Unpack[Settings],
    ) -> Preflight:
        """Have settings checked in a throw-away process, saving nothing, and return when that has ended.

        Passed or failed, `checks` says what was found. Raises TimedOut as wait_until_running does.
        """
        body = _body({"script": script, **settings})
        asked = self._transport.record(Preflight, "POST", self._project.path("preflights"), body=body)
        return self._ended(asked, timeout, on_wait)

    def check_again(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_wait: Callable[[Preflight], None] | None = None,
    ) -> Preflight:
        """Have the newest revision checked once more, whatever was found before."""
        asked = self._transport.record(Preflight, "POST", self._path(name, "preflight"))
        return self._ended(asked, timeout, on_wait)

    def preflight(self, name: str) -> Preflight | None:
        """How far the newest revision's pre-flight is, or how it ended."""
        return self.get(name).preflight

    def compare(self, name: str, a: int, b: int) -> dict[str, Any]:
        """What differs in revision `b` as against `a`: settings, variables, texts line by line, files, packages."""
        path = self._path(name, "revisions", "compare")
        return self._transport.record(dict[str, Any], "GET", path, params={"a": a, "b": b})

    def roll_back(self, name: str, revision: int) -> Serving:
        """Make a new revision that is a copy of an earlier one, its files and packages included."""
        path = self._path(name, "revisions", revision, "rollback")
        return self._transport.record(Serving, "POST", path)

    def delete(self, name: str, *, with_topic: bool = False) -> None:
        """Running or not. The model stays, and its topic unless `with_topic`: Conflict if another serving uses it."""
        self._transport.delete(self._path(name) + ("?topic=delete" if with_topic else ""))

    def status(self, name: str) -> str:
        return self.get(name).status

    def wait_until_running(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_wait: Callable[[Serving], None] | None = None,
    ) -> Serving:
        """Poll until it answers predictions with its newest revision; `timeout` in seconds.

        Without one it has 600 seconds, in which resolving and building its packages do not count (up to an hour).
        `on_wait` is given what was seen whenever it is not there yet.

        Raises ServingFailed with reason and evidence when it fails or is stopped, TimedOut after that time.
        """
        return waiting.until_running(lambda: self.get(name), self._answers, timeout, on_wait)

    def logs(
        self,
        name: str,
        *,
        replica: str | None = None,
        search: str | None = None,
        since: datetime | str | None = None,
        tail: int = 200,
    ) -> builtins.list[ReplicaLog]:
        """The last `tail` lines of each replica, dead ones too, or of one; with `search`, of those that contain it, and
        with `since`, of those written then or later: a time with its zone.
        """
        asked = {"replica": replica, "search": search, "since": moment(since), "tail": tail}
        answer = self._transport.record(_Logs, "GET", self._path(name, "logs"), params=asked)
        return answer.replicas

    def download_log(self, name: str, replica: str, target: str | Path) -> Path:
        """Write all that is kept of a replica's log to the file `target`. Raises NotFound if there is no such log."""
        path = Path(target)
        self._transport.get_file(self._path(name, "logs", replica), path)
        return path

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
        """Whether a replica of its newest revision that callers come to is ready, or none needs to be."""
        front = TRANSFORMER if serving.has_transformer_replicas else PREDICTOR
        replicas = self._transport.each(Replica, self._path(serving.name, "replicas"))
        living = takewhile(lambda replica: replica.ended_at is None, replicas)
        return serving.status == "Idle" or any(
            replica.is_ready and replica.revision == serving.revision and replica.component == front
            for replica in living
        )

    def _ended(
        self, asked: Preflight, timeout: float | None, on_wait: Callable[[Preflight], None] | None
    ) -> Preflight:
        path = self._project.path("preflights", asked.id or 0)
        return waiting.until_checked(lambda: self._transport.record(Preflight, "GET", path), timeout, on_wait)

    def _path(self, name: str, *parts: str | int) -> str:
        return self._project.path("servings", name, *parts)


def _body(settings: Mapping[str, Any]) -> dict[str, Any]:
    return checked(requirements.included(settings))
