"""Inference records in the client and on the command line, against the real platform."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from django.utils import timezone

from accounts.access import Access
from hopyard import cli
from hopyard.client import BadRequest, Client, InvalidArgument, NotFound
from models_registry.models import ModelVersion
from serving import services
from serving.models import InferenceRecord, Serving
from serving.settings import Settings
from tests.conftest import People

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    export()
    made, _ = services.create(access=owner, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
    return made


@pytest.fixture
def call(serving: Serving) -> Callable[..., InferenceRecord]:
    def make(**given: Any) -> InferenceRecord:
        values: dict[str, Any] = {
            "serving": serving,
            "request_id": "abc",
            "revision": 1,
            "replica": "r1-0-1",
            "verb": "predict",
            "protocol": "v1",
            "status": 200,
            "requested_at": timezone.now(),
            "duration_us": 1500,
        }
        return InferenceRecord.objects.create(**values | given)

    return make


@pytest.fixture
def client(
    live_server: Any, people: People, key_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    key = key_of(people.bob)[1]
    for name, value in {"URL": live_server.url, "API_KEY": key, "PROJECT": "garden"}.items():
        monkeypatch.setenv(f"HOPYARD_{name}", value)
    with Client(live_server.url, key, "garden") as made:
        yield made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["records", *arguments])


def test_calls_are_found_by_filters_and_followed_over_pages(
    client: Client, call: Callable[..., InferenceRecord]
) -> None:
    ids = [
        call(status=500 if number % 2 else 200, fields={"in": {"x": [number]}, "out": {}}).pk
        for number in range(6)
    ]
    assert [each.id for each in client.inference_records.each("iris")] == ids[::-1]
    assert [each.id for each in client.inference_records.list("iris", most=2, status=200)] == [ids[4], ids[2]]
    assert [each.id for each in client.inference_records.list("iris", where="in.x >= 4")] == ids[:3:-1]
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert client.inference_records.list("iris", since=now + hour) == []
    assert len(client.inference_records.list("iris", since=now - hour, until=now + hour)) == 6


def test_one_call_and_the_chart_of_all(client: Client, call: Callable[..., InferenceRecord]) -> None:
    made = call(inputs="[1]", queue_us=3)
    found = client.inference_records.get("iris", made.pk)
    assert (found.inputs, found.queue_us, found.predict_us, found.requested_at) == (
        "[1]",
        3,
        None,
        made.requested_at,
    )
    chart = client.inference_records.chart("iris", period="1h")
    assert chart.whole is not None
    assert (chart.calls, chart.whole.classes) == (1, {"2xx": 1})
    assert chart.whole.latency_ms["p50"] == pytest.approx(1.5, rel=0.1)
    with pytest.raises(NotFound):
        client.inference_records.get("iris", made.pk + 1)


def test_a_wrong_filter_is_refused_with_the_platforms_sentence(client: Client, serving: Serving) -> None:
    with pytest.raises(BadRequest, match=r"^status: “maybe” is no status"):
        client.inference_records.list("iris", status="maybe")
    with pytest.raises(InvalidArgument, match="has no zone"):
        client.inference_records.list("iris", since=datetime(2026, 11, 21, 10))  # noqa: DTZ001 - on purpose
    with pytest.raises(InvalidArgument, match="is no time"):
        client.inference_records.list("iris", since="yesterday")


def test_an_export_is_a_file_by_its_ending(
    client: Client, call: Callable[..., InferenceRecord], tmp_path: Path
) -> None:
    ids = [call().pk, call().pk][::-1]
    where = {
        name: client.inference_records.export("iris", tmp_path / f"calls.{name}")
        for name in ("csv", "jsonl", "parquet")
    }
    with where["csv"].open(newline="") as file:
        assert [int(row["id"]) for row in csv.DictReader(file)] == ids
    assert [json.loads(line)["id"] for line in where["jsonl"].read_text().splitlines()] == ids
    assert pq.read_table(where["parquet"]).column("id").to_pylist() == ids
    with pytest.raises(InvalidArgument, match="csv, jsonl, parquet"):
        client.inference_records.export("iris", tmp_path / "calls.xls")
    with pytest.raises(BadRequest):
        client.inference_records.export("iris", tmp_path / "no.csv", status="x")
    assert not (tmp_path / "no.csv").exists()


def test_longer_ago_than_time_goes_back_is_refused_in_words(client: Client) -> None:
    said = run("list", "iris", "--since", "999999d")
    assert (said.exit_code, "999999d ago is before all times" in said.output) == (1, True)


def test_commands_list_show_draw_and_export(
    client: Client, call: Callable[..., InferenceRecord], tmp_path: Path
) -> None:
    good = call(predict_us=1000, inputs='{"instances": [[5.1]]}', outputs_bytes=2048, outputs_sha256="f" * 64)
    bad = call(status=503, error="no replica")
    listed = run("list", "iris", "--status", "5xx", "--since", "1h")
    assert (listed.exit_code, str(bad.pk) in listed.output, str(good.pk) in listed.output.split()) == (
        0,
        True,
        False,
    )
    assert [each["id"] for each in json.loads(run("list", "iris", "--json").output)] == [bad.pk, good.pk]
    shown = run("show", "iris", str(good.pk)).output
    for text in ("predict v1", "1.50 ms", "predict 1.00 ms", "5.1", f"no, 2.0 KiB, sha256 {'f' * 64}"):
        assert text in shown
    drawn = run("chart", "iris").output
    assert "1 2xx" in drawn
    assert "1 5xx" in drawn
    target = tmp_path / "calls.csv"
    exported = run("export", "iris", str(target), "--most", "1")
    assert (exported.exit_code, len(target.read_text().splitlines())) == (0, 2)
    assert "the newest 1 of 2 calls" in exported.stderr
    assert run("list", "iris", "--verb", "explain").output == "No call fits.\n"


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("2026-03-01T10:00", "2026-03-01T10:00:01", 1),
        ("2026-03-01 10:00:01", "2026-03-02", 0),
        ("2026-03-01", "2026-03-01", 1),
        ("2026-03-01T11:00+01:00", "2026-03-01T10:00:01Z", 1),
        ("2026-03-01T10:00+01:00", "2026-03-01T09:30Z", 0),
    ],
)
@pytest.mark.parametrize("names", [("--since", "--until"), ("--from", "--to")])
def test_times_are_utc_without_a_zone_and_have_the_names_of_the_api_too(
    names: tuple[str, str], since: str, until: str, found: int, client: Client, call: Callable[..., Any]
) -> None:
    call(requested_at=datetime(2026, 3, 1, 10, tzinfo=UTC))
    listed = run("list", "iris", names[0], since, names[1], until, "--json")
    assert listed.exit_code == 0, listed.output
    assert len(json.loads(listed.output)) == found


def test_the_help_tells_both_names_of_a_time_and_the_zone() -> None:
    said = " ".join(run("list", "--help").output.split())
    for words in ("--since, --from TIME", "--until, --to TIME", "UTC unless it has a zone"):
        assert words in said


@pytest.mark.parametrize("given", [("--where", "in.x"), ("--from", "2026-03-02", "--to", "2026-03-01T10:00")])
def test_a_command_names_a_wrong_filter_once(
    given: tuple[str, ...], client: Client, serving: Serving
) -> None:
    refusal = run("list", "iris", *given)
    name = given[-2].removeprefix("--")
    assert refusal.exit_code == 1
    assert refusal.stderr.startswith(f"Error: {name}: ")
    assert refusal.stderr.count(f"{name}: ") == 1


def test_a_command_says_what_is_wrong_in_one_line(client: Client, serving: Serving) -> None:
    result = run("list", "iris", "--where", "in.x")
    assert result.exit_code == 1
    assert "is no condition" in result.stderr
    assert run("export", "iris", "calls.xls").exit_code == 1
