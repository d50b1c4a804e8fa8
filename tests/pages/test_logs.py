"""The page of a serving's logs: attempts by name, whole downloads, lines of a span of time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from serving import logs
from serving.models import Replica, Serving
from serving.states import ReplicaState
from tests.pages.conftest import Pages

LOGS = "servings/Iris/logs/"


@pytest.fixture
def folder(running: Serving, settings: LazySettings, tmp_path: Path) -> Path:
    settings.LOG_DIR = tmp_path
    found = tmp_path / running.key
    found.mkdir()
    return found


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_each_attempt_says_what_it_was(running: Serving, folder: Path, vera: Pages) -> None:
    Replica.objects.create(
        serving=running,
        name="r1-0-2",
        revision=1,
        slot=0,
        attempt=2,
        deployer="docker",
        state=ReplicaState.EXITED,
        exit="Killed by signal 9",
        ended_at=datetime.now(UTC),
    )
    for name in ("r1-0-1", "r1-0-2", "r1-0-0"):
        (folder / f"{name}.log").write_text(f"{ago(minutes=1)} up\n")
    content = vera.get(LOGS).content.decode()
    assert "Attempt 2 of predictor 0, revision 1, docker" in content
    assert "Killed by signal 9" in content
    assert "only its log is left" in content
    assert "r1-0-2 · attempt 2, exited" in content


def test_a_download_has_the_older_part_as_well(folder: Path, vera: Pages) -> None:
    (folder / "r1-0-1.log.1").write_text("2026-01-01T00:00:00.000Z old\n")
    (folder / "r1-0-1.log").write_text("2026-01-01T00:00:01.000Z new\n")
    response = vera.get(f"{LOGS}r1-0-1/")
    whole = b"2026-01-01T00:00:00.000Z old\n2026-01-01T00:00:01.000Z new\n"
    assert response.getvalue() == whole
    assert response["Content-Length"] == str(len(whole))
    assert response["Content-Disposition"] == 'attachment; filename="Iris-r1-0-1.log"'
    response.close()


def test_a_span_of_time_and_a_search_reach_into_the_older_part(folder: Path, vera: Pages) -> None:
    (folder / "r1-0-1.log.1").write_text(f"{ago(hours=3)} ancient NEEDLE\n{ago(minutes=40)} older needle\n")
    (folder / "r1-0-1.log").write_text(f"{ago(minutes=30)} hay\n{ago(minutes=1)} newest needle\n")
    found = vera.get(f"{LOGS}?search=needle&minutes=60").content.decode()
    assert "older needle" in found
    assert "newest needle" in found
    assert "hay" not in found.split("</form>")[-1]
    assert "ancient" not in found
    assert "ancient NEEDLE" in vera.get(f"{LOGS}?search=needle").content.decode()
    assert "older needle" not in vera.get(f"{LOGS}?minutes=5").content.decode()
    assert "ancient" in vera.get(f"{LOGS}?minutes=nonsense&lines=²").content.decode()


def test_a_search_finds_the_first_line_of_a_large_log(running: Serving, folder: Path, vera: Pages) -> None:
    line = f"{ago(minutes=1)} {'x' * 200}\n"
    (folder / "r1-0-1.log").write_text(f"{ago(minutes=2)} the Bücher\n" + line * 20_000)
    assert [log.lines[0][-10:] for log in logs.tail(running, search="BÜCHER")] == ["the Bücher"]
    assert len(logs.tail(running, lines=300)[0].lines) == 300


def test_the_api_gives_lines_since_a_time_and_whole_logs(running: Serving, folder: Path, vera: Pages) -> None:
    client = APIClient()
    client.force_authenticate(running.created_by)
    (folder / "r1-0-1.log.1").write_text("2026-01-01T00:00:00.000Z old\n")
    (folder / "r1-0-1.log").write_text("2026-01-01T00:00:01.500Z new\n")
    base = "/api/projects/garden/servings/Iris/logs/"

    def since(time: str) -> str:
        found: str = client.get(base, {"since": time}).json()["replicas"][0]["content"]
        return found

    assert since("2026-01-01T00:00:01.500Z") == "2026-01-01T00:00:01.500Z new"
    assert since("2026-01-01T01:00:01.501+01:00") == ""
    assert since("2025-12-31T00:00:00Z").count("\n") == 1
    assert client.get(base, {"since": "yesterday"}).status_code == 400
    whole = client.get(f"{base}r1-0-1/")
    assert whole.getvalue() == b"2026-01-01T00:00:00.000Z old\n2026-01-01T00:00:01.500Z new\n"
    whole.close()
    assert client.get(f"{base}r9-0-1/").status_code == 404
