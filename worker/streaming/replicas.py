"""Asks the ready replicas of one serving, as the gateway does: by turns, the canary by its percent, another one if the
first cannot be reached.
"""

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any

from serving import traffic
from serving.models import Serving
from serving.traffic import Route, Target
from worker.streaming import operations
from worker.streaming.replies import LOST, UNREACHED, Reply
from worker.streaming.requests import Request, model_page

CALLER = "stream"
CONNECT_SECONDS = 2.0
TOLD_SECONDS = 10.0  # for so long a model's own words are believed
MOST_TOLD = 100
SUSPECT = (HTTPException, OSError)


@dataclass(frozen=True)
class Door:
    """Who can be asked at the moment, and what lets us in."""

    routes: tuple[Route, ...] = ()
    token: str = ""

    @property
    def is_open(self) -> bool:
        return any(route.targets for route in self.routes)


def door(serving_id: int) -> Door:
    """As the database says; closed for a serving that is not there or not wanted any more."""
    found = Serving.objects.select_related("project", "revision", "canary").filter(pk=serving_id)
    serving = found.filter(is_deleted=False, wanted_replicas__gt=0).first()
    return Door() if serving is None else Door(traffic.routes(serving), serving.gateway_token)


class Turns:
    """Whose turn it is, over all requests of a serving: of the routes by their percents, and of the targets of one."""

    def __init__(self) -> None:
        self._requests = itertools.count(1)
        self._of_route = {False: itertools.count(), True: itertools.count()}

    def next(self, routes: Sequence[Route]) -> list[Target]:
        """All targets, those that are to be asked first at the beginning."""
        number = next(self._requests)
        if canary := next((route for route in routes if route.is_canary), None):
            chosen = traffic.chooses_canary(number, canary.percent)
            routes = sorted(routes, key=lambda route: route.is_canary != chosen)
        found: list[Target] = []
        for route in routes:
            turn = next(self._of_route[route.is_canary]) if not found else number
            start = turn % len(route.targets) if route.targets else 0
            found += [*route.targets[start:], *route.targets[:start]]
        return found


class Replicas:
    """One for a serving, for all threads. `use` says anew who can be asked."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self.door = Door()
        self._turns = Turns()
        self._timeout = timeout_seconds
        self._lock = threading.Lock()
        self._kept: dict[str, list[HTTPConnection]] = {}
        self._told: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    def use(self, door: Door) -> None:
        self.door = door
        here = {target.address for route in door.routes for target in route.targets}
        with self._lock:
            gone = [self._kept.pop(address) for address in self._kept.keys() - here]
            self._kept |= {address: [] for address in here - self._kept.keys()}
        for connection in itertools.chain(*gone):
            connection.close()

    def close(self) -> None:
        """Nobody is asked any more."""
        self.use(Door())

    def ask(self, request: Request) -> Reply:
        """Ask one replica; others only where it cannot be connected to."""
        door = self.door
        for target in self._turns.next(door.routes):
            reply = self._ask(target, request, door.token)
            if reply is not None and operations.is_unknown(request, reply):
                return operations.explained(request, reply, self._about(target, request, door.token))
            if reply is not None:
                return reply
        return Reply(UNREACHED, problem="No replica could be reached.")

    def _ask(self, target: Target, request: Request, token: str) -> Reply | None:
        """None where there is nobody. A kept connection may have been closed by its replica just now, so that one is
        tried again; where then nobody is there, it may have been the request that ended the replica.
        """
        kept = self._take(target.address)
        if kept is not None:
            reply = self._exchange(kept, target, request, token)
            if reply.status != LOST:
                return reply
        try:
            connection = self._connect(target)
        except OSError:
            return None if kept is None else reply
        return self._exchange(connection, target, request, token)

    def _about(self, target: Target, request: Request, token: str) -> dict[str, Any]:
        """What the model that was asked tells of itself, empty where it does not; as it was a moment ago at most."""
        now, place = time.monotonic(), (target.address, request.model)
        known_at, about = self._told.get(place, (0.0, {}))
        if not about or now - known_at > TOLD_SECONDS:
            about = self._looked_up(target, request, token)
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            self._told[place] = (now, about)
        return about

    def _looked_up(self, target: Target, request: Request, token: str) -> dict[str, Any]:
        page = request.model
        if not page:
            first = self._page(target, replace(request, target="/"), token).get("model")
            page = model_page(first) if isinstance(first, str) else ""
        return self._page(target, replace(request, target=page), token) if page else {}

    def _page(self, target: Target, request: Request, token: str) -> dict[str, Any]:
        reply = self._ask(target, replace(request, method="GET", body=b""), token)
        return operations.document(reply) if reply is not None else {}

    def _connect(self, target: Target) -> HTTPConnection:
        host, _, port = target.address.rpartition(":")
        connection = HTTPConnection(host.strip("[]"), int(port), timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(self._timeout)
        return connection

    def _exchange(self, connection: HTTPConnection, target: Target, request: Request, token: str) -> Reply:
        asked_at, began = time.time(), time.perf_counter()
        status, body, kind, problem = LOST, b"", "", ""
        try:
            status, body, kind = self._answer(connection, target.address, request, token)
        except TimeoutError:
            status, problem = 504, f"The replica {target.name} did not answer within {self._timeout:g} s."
        except SUSPECT as error:
            said = str(error) or type(error).__name__
            problem = f"The replica {target.name} ended the connection before it answered ({said})."
        if problem:
            connection.close()
        return Reply(status, body, kind, problem, asked_at, time.perf_counter() - began)

    def _answer(
        self, connection: HTTPConnection, address: str, request: Request, token: str
    ) -> tuple[int, bytes, str]:
        headers = {
            "content-type": "application/json",
            "x-request-id": request.request_id,
            "x-hopyard-internal": token,
            "x-hopyard-caller": CALLER,
        }
        connection.request(request.method, request.target, request.body, headers)
        response = connection.getresponse()
        body = response.read()
        if not response.will_close:
            self._keep(address, connection)
        return response.status, body, response.getheader("content-type", "")

    def _take(self, address: str) -> HTTPConnection | None:
        with self._lock:
            kept = self._kept.get(address)
            return kept.pop() if kept else None

    def _keep(self, address: str, connection: HTTPConnection) -> None:
        with self._lock:
            kept = self._kept.get(address)
            if kept is not None:
                kept.append(connection)
                return
        connection.close()
