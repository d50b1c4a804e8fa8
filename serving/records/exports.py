"""A selection of calls as CSV, JSON lines or Parquet, written while it is read: its size is no matter of memory."""

import csv
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.utils import timezone

from serving.models import Serving
from serving.records import queries
from serving.records.filters import Filters

MOST_RECORDS = 1_000_000
BATCH = 200
ROWS_IN_GROUP = 5_000
BYTES_IN_GROUP = 16 * 1024 * 1024
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = dict[str, Any]

_WHOLE, _TEXT = pa.int64(), pa.string()
SCHEMA = pa.schema(
    {
        "id": _WHOLE,
        "request_id": _TEXT,
        "requested_at": pa.timestamp("us", tz="UTC"),
        "revision": _WHOLE,
        "replica": _TEXT,
        "model_version": _WHOLE,
        "protocol": _TEXT,
        "verb": _TEXT,
        "status": _WHOLE,
        "duration_us": _WHOLE,
        "queue_us": _WHOLE,
        "preprocess_us": _WHOLE,
        "predict_us": _WHOLE,
        "postprocess_us": _WHOLE,
        "key_id": _TEXT,
        "sampling_percent": pa.float64(),
        "error": _TEXT,
        "inputs": _TEXT,
        "inputs_bytes": _WHOLE,
        "inputs_sha256": _TEXT,
        "outputs": _TEXT,
        "outputs_bytes": _WHOLE,
        "outputs_sha256": _TEXT,
        "topic": _TEXT,
    }
)
COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)


@dataclass(frozen=True)
class Format:
    """How calls are written: a name, the end of the file's name, its content type and what makes bytes of batches."""

    name: str
    label: str
    ending: str
    content_type: str
    write: Callable[[Iterable[list[Row]]], Iterator[bytes]]


def export(serving: Serving, asked: Filters, how: Format, *, most: int = MOST_RECORDS) -> Iterator[bytes]:
    """The newest calls that are meant, `most` at most; what is wrong with the search is raised before any byte."""
    batches = _batches(serving, asked.at(timezone.now()), most)
    first = next(batches, [])
    return how.write(itertools.chain([first], batches))


def _batches(serving: Serving, asked: Filters, most: int) -> Iterator[list[Row]]:
    place, left = None, most
    while left > 0:
        found = queries.page(
            serving, asked, after=place, size=min(BATCH, left), seconds=queries.PATIENCE_SECONDS
        )
        yield [{name: getattr(record, name) for name in COLUMNS} for record in found.records]
        place, left = found.next, left - len(found.records)
        if place is None:
            return


def _csv(batches: Iterable[list[Row]]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for rows in batches:
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    """A spreadsheet takes texts that begin so for formulas, which may do harm; an apostrophe makes them texts."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _json_lines(batches: Iterable[list[Row]]) -> Iterator[bytes]:
    for rows in batches:
        lines = [json.dumps(row, ensure_ascii=False, default=datetime.isoformat) + "\n" for row in rows]
        yield "".join(lines).encode()


def _parquet(batches: Iterable[list[Row]]) -> Iterator[bytes]:
    """Group by group: a file of this form is written from its beginning to its end without going back."""
    sink = _Sink()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        for group in _groups(batches):
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))
            yield sink.take()
    yield sink.take()


def _groups(batches: Iterable[list[Row]]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for rows in batches:
        group += rows
        size += sum(sys.getsizeof(row["inputs"]) + sys.getsizeof(row["outputs"]) for row in rows)
        if len(group) >= ROWS_IN_GROUP or size >= BYTES_IN_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


class _Sink(io.RawIOBase):
    """A file that hands over what was written since it was asked last."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


FORMATS = {
    each.name: each
    for each in (
        Format("csv", "CSV", "csv", "text/csv; charset=utf-8", _csv),
        Format("jsonl", "JSON lines", "jsonl", "application/x-ndjson", _json_lines),
        Format("parquet", "Parquet", "parquet", "application/vnd.apache.parquet", _parquet),
    )
}
