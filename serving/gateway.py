"""Passes a prediction request to a ready replica, and to another one if the first cannot be reached."""

import contextlib
import functools
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from django.conf import settings

from serving import headers as passing
from serving import traffic, work
from serving.models import Serving
from serving.places import Places
from serving.streams import Stream

PATH_CHARACTERS = "/:@!$&'()*+,;=~"  # beside letters and digits, what stands for itself in a path
WITHOUT_BODY = (204, 304)
CONNECT_SECONDS = 2

ROUNDS = 2  # a kept connection may have been closed by its replica just now

_turn = itertools.count()
_requests: dict[int, "itertools.count[int]"] = {}  # of servings with a canary
_told_at: dict[int, float] = {}


_places = Places()


@dataclass(frozen=True)
class Answer:
    """A replica's answer, or the gateway's own when no replica gave one.

    `body` is all of it, unless it comes as a `stream`, which has to be closed. Names of headers are in lower
    case; without `content-type` the replica sent none.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    code: str = ""
    stream: Stream | None = None


@dataclass(frozen=True)
class _Request:
    """What each replica is sent until one answers; `target` begins with a slash."""

    method: str
    target: str
    body: bytes
    headers: list[passing.Raw]


def forward(
    serving: Serving,
    *,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    request_id: str,
    query: str = "",
    caller: str = "browser",
) -> Answer:
    """Send the request to the serving's replicas in turn.

    `path` is decoded, `query` is not. `caller` has been authorised already: the id of a key, or “browser” for
    somebody who is signed in.
    """
    addresses = _addresses(serving)
    if not addresses:
        return _refusal(serving)
    target = f"/{quote(path, safe=PATH_CHARACTERS)}" + (f"?{query}" if query else "")
    ours = {
        "x-hopyard-internal": serving.gateway_token,
        "x-hopyard-caller": caller,
        "x-request-id": request_id,
    }
    try:
        sent = [*passing.of_request(headers), *((n.encode(), v.encode()) for n, v in ours.items())]
    except UnicodeEncodeError:
        return Answer(400, error="A header of the request is not valid.", code="BadRequest")
    with contextlib.ExitStack() as held:
        if not held.enter_context(_places.of(serving.pk)):
            error = f"{serving} has as many requests under way as the platform passes on; try again soon."
            return Answer(503, b"", {"retry-after": "1"}, error, "Busy")
        answer = _send_to_one(serving, addresses, _Request(method, target, body, sent))
        if answer.stream is not None:
            answer.stream.holds(held.pop_all())
        return answer


def _addresses(serving: Serving) -> list[str]:
    """The replicas of the route whose turn it is, in turn, and after them those of the other, which may still live."""
    routes = traffic.routes(serving)
    if len(routes) > 1:
        canary = next(route for route in routes if route.is_canary)
        number = next(_requests.setdefault(serving.pk, itertools.count(1)))
        chosen = traffic.chooses_canary(number, canary.percent)
        routes = tuple(sorted(routes, key=lambda route: route.is_canary != chosen))
    first = next(_turn)
    found: list[str] = []
    for route in routes:
        addresses = [target.address for target in route.targets]
        start = first % len(addresses) if addresses else 0
        found += [*addresses[start:], *addresses[:start]]
    return found


def _send_to_one(serving: Serving, addresses: list[str], request: _Request) -> Answer:
    """Try the replicas in order: every one that cannot be reached, but only one more if one dies of the request."""
    deaths = 0
    for address in addresses * ROUNDS:
        try:
            return _ask(address, request)
        except (httpx.InvalidURL, UnicodeEncodeError):
            return Answer(400, error="The address of the request is not valid.", code="BadRequest")
        except (httpx.ConnectError, httpx.ConnectTimeout):
            _tell_worker(serving)
            continue
        except httpx.TimeoutException:
            seconds = settings.INFERENCE_TIMEOUT_SECONDS
            return Answer(504, error=f"{serving} did not answer within {seconds} s.", code="TimedOut")
        except httpx.HTTPError:
            deaths += 1
            if deaths > 1:
                break
            continue
    _tell_worker(serving)
    return Answer(502, error=f"No replica of {serving} could be reached; try again.", code="NoReplica")


def _ask(address: str, request: _Request) -> Answer:
    """One replica's answer: whole where its length is said, else as a stream, which is never asked for twice."""
    url = f"http://{address}{request.target}"
    seconds = httpx.Timeout(settings.INFERENCE_TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
    extensions = {"timeout": seconds.as_dict()}
    sent = httpx.Request(
        request.method, url, headers=request.headers, content=request.body, extensions=extensions
    )
    response = _transport().handle_request(sent)
    is_head = request.method == "HEAD"
    headers = passing.of_answer(response.headers.raw, keeps_length=is_head)
    is_whole = is_head or response.status_code in WITHOUT_BODY or "content-length" in response.headers
    if not is_whole:
        return Answer(response.status_code, headers=headers, stream=Stream(response))
    with contextlib.closing(response):
        return Answer(response.status_code, b"".join(response.iter_raw()), headers)


def _refusal(serving: Serving) -> Answer:
    if serving.wanted_replicas == 0:
        return Answer(409, error=f"{serving} is not running; start it first.", code="NotRunning")
    if serving.has_given_up and serving.failure:
        reason = serving.failure["reason"]
        return Answer(503, error=f"{serving} failed: {reason}", code=serving.failure["code"])
    return Answer(
        503, b"", {"retry-after": "2"}, f"{serving} is starting: {serving.condition_reason}.", "Starting"
    )


def _tell_worker(serving: Serving) -> None:
    """Have the worker look at the serving now instead of at its next round, at most once a second."""
    now = time.monotonic()
    if now - _told_at.get(serving.pk, 0) > 1:
        _told_at[serving.pk] = now
        work.reconcile_on_commit(serving)


@functools.cache
def _transport() -> httpx.HTTPTransport:
    """One a process, so that connections to replicas are kept open. A client would add headers of its own,
    remember cookies and undo encodings.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=settings.WEB_THREADS)
    return httpx.HTTPTransport(trust_env=False, limits=limits)
