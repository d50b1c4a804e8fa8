"""Inference records: what a serving was asked and what it answered, found, drawn and exported."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, Unpack
from urllib.parse import urlencode

from hopyard.client.errors import InvalidArgument
from hopyard.client.moments import of_records
from hopyard.client.project import Project

FORMATS = ("csv", "jsonl", "parquet")
MOST_EXPORTED = 1_000_000
LARGEST_PAGE = 500


class Filters(TypedDict, total=False):
    """Which calls are meant; what is left out restricts nothing.

    `period` is 15m, 1h, 24h, 7d or all; `since` and `until` are times and count instead: texts without a zone are UTC,
    and a date alone as `until` includes its day. `status` is a number, a class such as 5xx, or failed (400 and above).
    `where` are conditions on values such as `in.sepal_length > 5 and out = setosa`; a call fits if one of its rows
    does.
    """

    period: str
    since: datetime | str
    until: datetime | str
    status: str | int
    at_least_ms: float
    at_most_ms: float
    revision: int
    replica: str
    key: str
    request_id: str
    verb: str
    protocol: str
    where: str


@dataclass(frozen=True)
class InferenceRecord:
    """One answered call. Times ending in `_us` are microseconds, None where they were not measured.

    A body that was not kept is empty; its size in bytes, and its sha256 if it was too large or no JSON, stand for it.
    """

    id: int
    request_id: str
    requested_at: datetime
    status: int
    duration_us: int
    verb: str = ""
    protocol: str = ""
    revision: int = 0
    replica: str = ""
    model_version: int = 0
    queue_us: int | None = None
    preprocess_us: int | None = None
    predict_us: int | None = None
    postprocess_us: int | None = None
    inputs: str = ""
    inputs_bytes: int = 0
    inputs_sha256: str = ""
    outputs: str = ""
    outputs_bytes: int = 0
    outputs_sha256: str = ""
    error: str = ""
    key_id: str = ""
    sampling_percent: float = 100.0
    topic: str = ""


@dataclass(frozen=True)
class CallsOfTime:
    """The calls of a piece of time by class of status, and milliseconds by percentile: p50, p95, p99."""

    start: datetime
    calls: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    latency_ms: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class CallChart:
    """Calls over time in pieces of `width_seconds`; `whole` is all of them, None without calls."""

    width_seconds: int
    calls: int = 0
    whole: CallsOfTime | None = None
    pieces: list[CallsOfTime] = field(default_factory=list)


class InferenceRecords:
    """Every method raises NotFound where there is no such serving, BadRequest with a sentence for a wrong filter."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def each(self, serving: str, **filters: Unpack[Filters]) -> Iterator[InferenceRecord]:
        """Newest first, asked for page by page while you go on."""
        return self._transport.each(InferenceRecord, self._path(serving), **in_words(filters))

    def list(
        self, serving: str, *, most: int = 100, **filters: Unpack[Filters]
    ) -> builtins.list[InferenceRecord]:
        """The newest `most`."""
        asked = in_words(filters) | {"page_size": min(max(most, 1), LARGEST_PAGE)}
        found: Iterator[InferenceRecord] = self._transport.each(InferenceRecord, self._path(serving), **asked)
        return builtins.list(islice(found, most))

    def get(self, serving: str, number: int) -> InferenceRecord:
        return self._transport.record(InferenceRecord, "GET", self._path(serving, number))

    def chart(self, serving: str, **filters: Unpack[Filters]) -> CallChart:
        """How many calls there were, and how long they took, over time; percentiles are within a tenth."""
        path = self._path(serving, "chart")
        return self._transport.record(CallChart, "GET", path, params=in_words(filters))

    def export(
        self,
        serving: str,
        target: str | Path,
        *,
        format: str | None = None,  # noqa: A002 - the word of the API
        most: int = MOST_EXPORTED,
        **filters: Unpack[Filters],
    ) -> Path:
        """Write the newest `most` calls to the file `target` as csv, jsonl or parquet; without `format` its ending says
        which. The file appears whole or not at all.
        """
        path = Path(target)
        how = format or path.suffix.removeprefix(".")
        if how not in FORMATS:
            raise InvalidArgument(f"The format is one of {', '.join(FORMATS)}, not {how!r}.")
        query = urlencode({**in_words(filters), "format": how, "most": most})
        self._transport.get_file(f"{self._path(serving, 'export')}?{query}", path)
        return path

    def _path(self, serving: str, *parts: str | int) -> str:
        return self._project.path("servings", serving, "inference-records", *parts)


def in_words(filters: Filters) -> dict[str, Any]:
    """As the API takes them, in which `from` and `to` are the times."""
    asked: dict[str, Any] = {
        **filters,
        "from": of_records(filters.get("since")),
        "to": of_records(filters.get("until")),
    }
    return {
        name: value for name, value in asked.items() if value is not None and name not in {"since", "until"}
    }
