"""Exports hold what was selected, in each format, and no formula."""

import csv
import io
import json
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.models import InferenceRecord, Serving
from serving.records import exports, filters
from serving.records.exports import COLUMNS, FORMATS

Call = Callable[..., InferenceRecord]
pytestmark = pytest.mark.django_db


def exported(serving: Serving, name: str, *, most: int = 1000, **said: str) -> bytes:
    return b"".join(exports.export(serving, filters.parse(said), FORMATS[name], most=most))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BATCH", 3)
    monkeypatch.setattr(exports, "ROWS_IN_GROUP", 4)


@pytest.fixture
def seven(call: Call) -> list[InferenceRecord]:
    """Newest first."""
    return [
        call(
            inputs=f'{{"instances": [[{number}]]}}',
            outputs='ü,\n"x"',
            queue_us=number or None,
            status=200 + number,
        )
        for number in range(7)
    ]


def test_all_formats_hold_the_same_calls_newest_first(serving: Serving, seven: list[InferenceRecord]) -> None:
    lines = [json.loads(line) for line in exported(serving, "jsonl").splitlines()]
    table = pq.read_table(io.BytesIO(exported(serving, "parquet")))
    rows = list(csv.DictReader(io.StringIO(exported(serving, "csv").decode(), newline="")))
    assert [each["id"] for each in lines] == [each.pk for each in seven]
    assert table.schema.equals(exports.SCHEMA)
    assert table.column("id").to_pylist() == [int(each["id"]) for each in rows] == [each.pk for each in seven]
    for name in ("inputs", "outputs", "queue_us", "status", "sampling_percent"):
        told = [each[name] for each in lines]
        assert told == [getattr(each, name) for each in seven] == table.column(name).to_pylist()
        assert ["" if each is None else str(each) for each in told] == [each[name] for each in rows]
    assert table.column("requested_at").to_pylist() == [each.requested_at for each in seven]


def test_an_export_has_the_newest_of_the_selection_and_no_more(
    serving: Serving, seven: list[InferenceRecord]
) -> None:
    lines = exported(serving, "jsonl", most=4, status="2xx", at_least_ms="1").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [each.pk for each in seven[:4]]
    assert len(exported(serving, "jsonl", status="204").splitlines()) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_selection_is_a_valid_file(name: str, serving: Serving) -> None:
    content = exported(serving, name)
    if name == "csv":
        assert content.decode().strip() == ",".join(COLUMNS)
    elif name == "parquet":
        assert pq.read_table(io.BytesIO(content)).num_rows == 0
    else:
        assert content == b""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_of_a_csv_is_a_formula(text: str, serving: Serving, call: Call) -> None:
    call(inputs=text, request_id=text, error=text, verb=text)
    (row,) = csv.DictReader(io.StringIO(exported(serving, "csv").decode(), newline=""))
    assert {row[name] for name in ("inputs", "request_id", "error", "verb")} == {f"'{text}"}
    (line,) = exported(serving, "jsonl").splitlines()
    assert json.loads(line)["inputs"] == text


def test_a_file_is_written_while_calls_are_read(serving: Serving, seven: list[InferenceRecord]) -> None:
    for name in FORMATS:
        pieces = exports.export(serving, filters.parse({}), FORMATS[name])
        assert next(pieces)
        assert sum(1 for piece in pieces if piece) >= 2, name


def test_groups_of_parquet_are_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_IN_GROUP", 10**6)
    monkeypatch.setattr(exports, "BYTES_IN_GROUP", 10_000)
    row = dict.fromkeys(COLUMNS) | {"inputs": "x" * 6000, "outputs": ""}

    def batches() -> Iterator[list[dict[str, object]]]:
        for _ in range(6):
            yield [row]

    file = pq.ParquetFile(pa.BufferReader(b"".join(FORMATS["parquet"].write(batches()))))
    assert (file.num_row_groups, file.metadata.num_rows) == (3, 6)
