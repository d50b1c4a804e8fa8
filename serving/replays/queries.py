"""Reads over replays."""

import hashlib

from django.db.models import QuerySet

from serving.errors import NoSuchServing
from serving.models import Replay, ReplayedCall, Serving


def replays(serving: Serving) -> QuerySet[Replay]:
    """Newest first."""
    return serving.replays.select_related("created_by").order_by("-pk")


def replay(serving: Serving, number: int) -> Replay:
    found = replays(serving).filter(pk=number).first()
    if found is None:
        raise NoSuchServing(f"{serving} has no replay {number}.")
    return found


def calls(replay: Replay, *, differing_only: bool = False) -> QuerySet[ReplayedCall]:
    """Those that were asked, the differing ones first, else as they came."""
    found = replay.calls.exclude(new_status=0)
    if differing_only:
        found = found.filter(differs=True)
    return found.order_by("-differs", "requested_at", "-pk")


def tag(replay: Replay) -> str:
    """Changes whenever the replay would be shown differently."""
    facts = (replay.pk, replay.state, replay.step, replay.asked, replay.differing, replay.total)
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()
