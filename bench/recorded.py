"""Whether every call that was answered is in the inference log, once: counts for `continuity.py`."""

import json
import time
from collections import Counter
from datetime import datetime
from typing import Any

import httpx
from whole import Platform

PATIENCE_SECONDS = 180


def since(platform: Platform, start: datetime, told: dict[str, Any]) -> dict[str, Any]:
    """`recorded` rows, how many answered calls are `missing` (some were never answered) and how many rows are double,
    the seconds until the last one was stored, and what the replicas' counters say.
    """
    answered = told["kinds"].get("right", 0)
    began = time.monotonic()
    stored: Counter[str] = Counter()
    while time.monotonic() - began < PATIENCE_SECONDS:
        stored = _stored(platform, start)
        if len(stored) >= answered:
            break
        time.sleep(2)
    return {
        "recorded": stored.total(),
        "missing": max(0, answered - len(stored)),
        "double": stored.total() - len(stored),
        "stored_after_seconds": round(time.monotonic() - began, 1),
        "counters": _counters(platform),
    }


def _stored(platform: Platform, start: datetime) -> Counter[str]:
    """How often each row that was asked for is in the log."""
    found: Counter[str] = Counter()
    with httpx.stream(
        "GET",
        f"{platform.url}/api/projects/demo/servings/sums/inference-records/export/",
        params={"format": "jsonl", "from": start.isoformat(), "status": "200"},
        headers={"Authorization": f"ApiKey {platform.key}"},
        timeout=120,
    ) as answer:
        answer.read() if answer.is_error else None
        if answer.is_error:
            raise SystemExit(answer.text)
        for line in answer.iter_lines():
            found[str(json.loads(line)["inputs"])] += 1
    return found


def _counters(platform: Platform) -> dict[str, int]:
    """Of the replicas that live, added up."""
    total: Counter[str] = Counter()
    for replica in platform.replicas():
        total.update(replica.get("log_counts") or {})
    return dict(total)
