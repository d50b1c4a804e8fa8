"""Asks living replicas over HTTP whether their predict path works."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from worker import log_counts

TIMEOUT_SECONDS = 2.0
WORRYING_FAILURES = 3


@dataclass(frozen=True)
class Answer:
    """`is_ready`, or why not; `is_late` if nothing came in time, as when the machine or the model is busy;
    `complaint` is set when the predict path of a ready replica keeps failing. `log_counts` say what became of its
    inference records: how many were sent, spilled and dropped so far, and how many wait now.
    """

    is_ready: bool
    is_late: bool = False
    reason: str = ""
    complaint: str = ""
    log_counts: Mapping[str, int] = field(default_factory=dict)


def probe(addresses: Iterable[str]) -> dict[str, Answer]:
    addresses = list(addresses)
    if not addresses:
        return {}
    with ThreadPoolExecutor(max_workers=min(8, len(addresses))) as pool:
        return dict(zip(addresses, pool.map(_ask, addresses), strict=True))


def _ask(address: str) -> Answer:
    try:
        response = httpx.get(f"http://{address}/v2/health/ready", timeout=TIMEOUT_SECONDS, trust_env=False)
        said = response.json()
        failures = int(said.get("consecutive_failures", 0))
        reason = str(said.get("reason", ""))
    except httpx.TimeoutException:
        return Answer(is_ready=False, is_late=True, reason=f"no answer within {TIMEOUT_SECONDS:g} s")
    except (httpx.HTTPError, ValueError, AttributeError, TypeError) as error:
        return Answer(is_ready=False, reason=f"{type(error).__name__}: {error}")
    counts = log_counts.read(said.get("inference_log"))
    if response.status_code != httpx.codes.OK:
        return Answer(is_ready=False, reason=reason, log_counts=counts)
    complaint = f"the last {failures} predictions failed: {said.get('last_error')}"
    return Answer(
        is_ready=True, complaint=complaint if failures >= WORRYING_FAILURES else "", log_counts=counts
    )
