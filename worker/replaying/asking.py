"""Asks a replica recorded calls, one at a time, for some seconds, and writes down how its answers differ."""

import time
from dataclasses import dataclass

import httpx
from django.conf import settings

from serving.models import Replay, ReplayedCall
from serving.replays import choosing, comparing
from serving.replays.comparing import Answer, Comparison
from serving.texts import storable
from worker.replaying.redacting import Redacting

NO_ANSWER = 502
TOO_LATE = 504
LARGEST_ANSWER = 1024 * 1024
LARGEST_KEPT = 64 * 1024  # of an answer, as of recorded ones


@dataclass(frozen=True)
class Asked:
    """The new answer and its microseconds, as seen by the one who asked; `died` if the replica is gone, `came` unless
    the answer is our own word for none.
    """

    answer: Answer
    microseconds: int
    died: bool = False
    came: bool = True


def ask_on(replay: Replay, *, serving: str, address: str, token: str, seconds: float) -> bool:
    """Ask what has not been asked yet; False if the replica died of it."""
    deadline = time.monotonic() + seconds
    waiting = replay.calls.filter(new_status=0).order_by("requested_at", "-pk")
    headers = {"X-Hopyard-Internal": token, "X-Hopyard-Caller": "replay", "Content-Type": "application/json"}
    timeout = httpx.Timeout(settings.INFERENCE_TIMEOUT_SECONDS, connect=2)
    with (
        httpx.Client(
            base_url=f"http://{address}", headers=headers, timeout=timeout, trust_env=False
        ) as client,
        Redacting(replay.serving) as redacting,
    ):
        for call in waiting.iterator(chunk_size=50):
            asked = _ask(client, serving, call)
            _write(replay, call, asked, redacting)
            if asked.died:
                return False
            if time.monotonic() > deadline:
                break
    return True


def _ask(client: httpx.Client, serving: str, call: ReplayedCall) -> Asked:
    asked = choosing.question(serving, protocol=call.protocol, verb=call.verb, inputs=call.inputs)
    began = time.perf_counter()

    def took() -> int:
        return int((time.perf_counter() - began) * 1_000_000)

    try:
        response = client.post(
            asked.path, content=asked.body.encode(), headers={"X-Request-Id": _header(call.request_id)}
        )
    except httpx.TimeoutException:
        return Asked(Answer(TOO_LATE, '{"error": "it did not answer in time"}'), took(), came=False)
    except httpx.HTTPError as error:
        said = f'{{"error": "the replica ended or closed the connection ({type(error).__name__})"}}'
        return Asked(Answer(NO_ANSWER, said), took(), died=True, came=False)
    body = storable(response.content[:LARGEST_ANSWER].decode(errors="replace"))
    return Asked(Answer(response.status_code, body), took())


def _write(replay: Replay, call: ReplayedCall, asked: Asked, redacting: Redacting) -> None:
    old, new = Answer(call.status, call.outputs), asked.answer
    if asked.came:
        old, new = redacting.pair(call, new, revision=replay.revision)
    call.new_status = new.status
    call.new_outputs = new.body if len(new.body.encode()) <= LARGEST_KEPT else ""
    call.new_duration_us = asked.microseconds
    found = _compared(
        old, new, is_hidden=bool(asked.answer.body and not new.body), tolerance=replay.tolerance
    )
    call.differs, call.difference = found.differs, storable(found.sentence)
    call.largest_change = found.largest_change
    call.save()


def _compared(old: Answer, new: Answer, *, is_hidden: bool, tolerance: float) -> Comparison:
    if old.status == new.status < 400 and not old.body:
        return Comparison(False, "The recorded answer was not kept.")
    if old.status == new.status < 400 and is_hidden:
        return Comparison(
            True, "The new answer is none that the rules of redaction can be applied to; it is not kept."
        )
    return comparing.compare(old, new, tolerance=tolerance)


def _header(text: str) -> str:
    """A request id that may stand in a header."""
    return "".join(letter for letter in text if letter.isascii() and letter.isprintable())[:128]
