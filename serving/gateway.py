"""Passes a prediction request to a ready replica, and to another one if the first cannot be reached."""

import functools
import itertools
import time
from dataclasses import dataclass, field

import httpx
from django.conf import settings

from serving import queries, work
from serving.models import Serving
from serving.places import Places

PASSED_ON = ("content-type", "content-encoding", "accept", "ce-id", "ce-source", "ce-type", "ce-specversion")
DROPPED = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-encoding",
    "content-length",
    "date",
    "server",
}

ROUNDS = 2  # a kept connection may have been closed by its replica just now

_turn = itertools.count()
_told_at: dict[int, float] = {}


_places = Places()


@dataclass(frozen=True)
class Answer:
    """A replica's answer, or the gateway's own when no replica gave one."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    code: str = ""


def forward(
    serving: Serving,
    *,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    request_id: str,
    caller: str = "browser",
) -> Answer:
    """Send the request to the serving's replicas in turn.

    `caller` has been authorised already: the id of a key, or “browser” for somebody who is signed in.
    """
    addresses = queries.ready_addresses(serving)
    if not addresses:
        return _refusal(serving)
    with _places.of(serving.pk) as is_free:
        if not is_free:
            error = f"{serving} has as many requests under way as the platform passes on; try again soon."
            return Answer(503, b"", {"Retry-After": "1"}, error, "Busy")
        sent = {name: value for name, value in headers.items() if name.lower() in PASSED_ON}
        sent |= {
            "X-Hopyard-Internal": serving.gateway_token,
            "X-Hopyard-Caller": caller,
            "X-Request-Id": request_id,
        }
        return _send_to_one(serving, addresses, method, path, body, sent)


def _send_to_one(
    serving: Serving, addresses: list[str], method: str, path: str, body: bytes, headers: dict[str, str]
) -> Answer:
    """Try the replicas in turn: every one that cannot be reached, but only one more if one dies of the request."""
    first = next(_turn) % len(addresses)
    deaths = 0
    for address in [*addresses[first:], *addresses[:first]] * ROUNDS:
        try:
            response = _client().request(method, f"http://{address}/{path}", content=body, headers=headers)
        except (httpx.InvalidURL, UnicodeEncodeError):
            return Answer(
                400, b"", error="The address or a header of the request is not valid.", code="BadRequest"
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            _tell_worker(serving)
            continue
        except httpx.TimeoutException:
            seconds = settings.INFERENCE_TIMEOUT_SECONDS
            return Answer(504, b"", error=f"{serving} did not answer within {seconds} s.", code="TimedOut")
        except httpx.HTTPError:
            deaths += 1
            if deaths > 1:
                break
            continue
        kept = {name: value for name, value in response.headers.items() if name.lower() not in DROPPED}
        return Answer(response.status_code, response.content, kept)
    _tell_worker(serving)
    return Answer(502, b"", error=f"No replica of {serving} could be reached; try again.", code="NoReplica")


def _refusal(serving: Serving) -> Answer:
    if serving.wanted_replicas == 0:
        return Answer(409, b"", error=f"{serving} is not running; start it first.", code="NotRunning")
    if serving.has_given_up and serving.failure:
        reason = serving.failure["reason"]
        return Answer(503, b"", error=f"{serving} failed: {reason}", code=serving.failure["code"])
    return Answer(
        503, b"", {"Retry-After": "2"}, f"{serving} is starting: {serving.condition_reason}.", "Starting"
    )


def _tell_worker(serving: Serving) -> None:
    """Have the worker look at the serving now instead of at its next round, at most once a second."""
    now = time.monotonic()
    if now - _told_at.get(serving.pk, 0) > 1:
        _told_at[serving.pk] = now
        work.reconcile_on_commit(serving)


@functools.cache
def _client() -> httpx.Client:
    """One client a process, so that connections to replicas are kept open."""
    timeout = httpx.Timeout(settings.INFERENCE_TIMEOUT_SECONDS, connect=2)
    return httpx.Client(timeout=timeout, trust_env=False)
