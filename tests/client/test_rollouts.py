"""Scale, canaries, exemptions and logs through the client and the command line, against the real platform."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.conf import LazySettings

from accounts.models import Scope
from hopyard import cli, serving
from hopyard.client import BadRequest, Canary, Client, Conflict, Forbidden, InvalidArgument, NotFound, config
from hopyard.client.config import Configuration
from hopyard.client.moments import since
from models_registry.models import ModelVersion
from serving.models import Serving
from tests.client.scripted import Scripted, refuses, says
from tests.client.test_platform import ClientOf, client, client_of
from tests.pages.conftest import SCRIPT

__all__ = ["client", "client_of"]
Run = Callable[..., Result]


@pytest.fixture
def iris(client: Client, export: Callable[..., ModelVersion]) -> None:
    export()
    client.servings.create("iris", SCRIPT)


@pytest.fixture
def run(client: Client) -> Run:
    """The command line, logged in as the client is."""

    def invoke(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(cli.main, arguments, input=given)

    key = client._transport._http.headers["Authorization"].removeprefix("ApiKey ")
    config.save(Configuration(client._transport.url, key, "garden"))
    return invoke


def test_a_serving_is_scaled_without_a_revision(iris: None, client: Client) -> None:
    found = serving.scale("iris", 4)
    assert (found.replicas, found.scale, found.revision) == (4, 4, 1)
    with pytest.raises(BadRequest, match="between 1 and"):
        client.servings.scale("iris", 10_000)
    with pytest.raises(InvalidArgument, match="replicas is a whole number from 1"):
        client.servings.scale("iris", 0)
    with pytest.raises(NotFound):
        client.servings.scale("none", 1)


def test_the_pace_of_updates_is_set_in_part(iris: None, client: Client) -> None:
    assert client.servings.set_pace("iris", surge=2).pace_seconds == 0
    found = client.servings.set_pace("iris", pace_seconds=5)
    assert (found.surge, found.pace_seconds) == (2, 5)
    with pytest.raises(InvalidArgument, match="surge is a whole number from 0"):
        client.servings.set_pace("iris", surge=-1)


def test_a_canary_is_begun_changed_promoted_and_withdrawn(iris: None, client: Client) -> None:
    begun = serving.canary("iris", 10, resources={"cores": 2, "memory_mb": 1024, "gpus": 0})
    assert (begun.revision, begun.canary) == (1, Canary(revision=2, percent=10))
    with pytest.raises(Conflict):
        serving.canary("iris", 10, max_concurrency=2)
    assert serving.canary("iris", 50).canary == Canary(revision=2, percent=50)
    promoted = serving.promote("iris")
    assert (promoted.revision, promoted.canary, promoted.resources.cores) == (2, None, 2.0)
    serving.canary("iris", 1, max_concurrency=2)
    assert serving.withdraw("iris").canary is None
    for late in (serving.promote, serving.withdraw):
        with pytest.raises(NotFound, match="has no canary"):
            late("iris")
    with pytest.raises(InvalidArgument, match="percent is a whole number from 0 to 100"):
        serving.canary("iris", 101)


def test_exemptions_are_an_owners(iris: None, client_of: ClientOf) -> None:
    with pytest.raises(Forbidden):
        client_of("bob").servings.set_exemptions("iris", ["egress"])
    owner = client_of("alice", Scope.READ, Scope.WRITE, Scope.ADMIN)
    assert owner.servings.set_exemptions("iris", {"egress"}).exemptions == ["egress"]
    assert owner.servings.set_exemptions("iris", ()).exemptions == []


def test_a_deployer_that_is_not_there_is_refused(iris: None, client: Client) -> None:
    with pytest.raises(InvalidArgument, match="deployer is one of"):
        client.servings.update("iris", deployer="mesos")  # type: ignore[typeddict-item]
    with pytest.raises(BadRequest):
        client.servings.update("iris", deployer="swarm")


@pytest.fixture
def log(iris: None, settings: LazySettings, tmp_path: Path) -> Path:
    settings.LOG_DIR = tmp_path
    folder = tmp_path / Serving.objects.select_related("project").get().key
    folder.mkdir()
    (folder / "r1-0-1.log.1").write_text("2026-01-01T00:00:00.000Z old\n")
    (folder / "r1-0-1.log").write_text("2026-01-01T00:00:01.000Z new\n")
    return folder


def test_logs_come_since_a_time_and_whole(log: Path, client: Client, tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    for given in (moment, "2026-01-01T00:00:01Z", "2026-01-01T01:00:01+01:00"):
        assert [each.content for each in serving.get_logs("iris", since=given)] == [
            "2026-01-01T00:00:01.000Z new"
        ]
    for wrong in ("yesterday", "2026-01-01T00:00:01", datetime(2026, 1, 1)):  # noqa: DTZ001 - on purpose
        with pytest.raises(InvalidArgument, match="no time|no zone"):
            client.servings.logs("iris", since=wrong)
    target = client.servings.download_log("iris", "r1-0-1", tmp_path / "whole.log")
    assert target.read_text() == "2026-01-01T00:00:00.000Z old\n2026-01-01T00:00:01.000Z new\n"
    with pytest.raises(NotFound, match="no log of a replica r9-0-1"):
        client.servings.download_log("iris", "r9-0-1", tmp_path / "none.log")
    assert not (tmp_path / "none.log").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", "2026-01-01T11:58:30+00:00"),
        ("15m", "2026-01-01T11:45:00+00:00"),
        ("1d", "2025-12-31T12:00:00+00:00"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("15 minutes", "15 minutes"),
    ],
)
def test_a_span_counts_back_from_now(text: str, expected: str) -> None:
    assert since(text, datetime(2026, 1, 1, 12, tzinfo=UTC)) == expected


def test_the_command_line_goes_through_a_canary(iris: None, run: Run) -> None:
    def says_(*arguments: str, **options: Any) -> str:
        result = run("serving", *arguments, **options)
        assert result.exit_code == 0, result.output
        return result.output

    assert says_("scale", "iris", "3") == "iris runs 3 replicas the next time it is started.\n"
    assert (
        says_("pace", "iris")
        == "Updates of iris run a whole second set at once, 0 s after each that is ready.\n"
    )
    assert "at most 1 more than wanted" in says_("pace", "iris", "--surge", "1", "--seconds", "2")
    assert says_("canary", "iris") == "iris has no canary.\n"
    told = says_("canary", "iris", "--percent", "5", "--cores", "2")
    assert told == "Revision 2 of iris gets 5 % of the requests (0 of 1 replicas ready).\n"
    assert "20 %" in says_("canary", "iris", "--percent", "20")
    assert "revision 2, 20 % of the requests" in says_("show", "iris")
    assert "Withdraw the canary of iris?" in says_("withdraw", "iris", given="y\n")
    says_("canary", "iris", "--percent", "5", "--cores", "2")
    assert says_("promote", "iris") == "Revision 3 of iris is no canary any more: all requests go to it.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("scale", "iris", "0"), "0 is not in the range"),
        (("canary", "iris", "--cores", "2"), "Say with --percent"),
        (("canary", "iris", "--percent", "101"), "101 is not in the range"),
        (("promote", "iris"), "has no canary"),
        (("exempt", "iris", "host"), "'host' is not one of"),
        (("exempt", "iris", "egress", "--yes"), "403"),
        (("logs", "iris", "--output", "x.log"), "--output goes with --replica"),
        (("logs", "iris", "--since", "never"), "is no time"),
    ],
)
def test_what_cannot_be_is_one_line_and_an_exit_code(
    iris: None, run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run("serving", *arguments)
    assert result.exit_code in {1, 2}
    assert sentence in result.output


def test_the_command_line_saves_a_whole_log(log: Path, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "whole.log"
    assert run("serving", "logs", "iris", "--replica", "r1-0-1", "--output", str(target)).exit_code == 0
    assert target.read_text().splitlines()[0].endswith("old")
    assert run("serving", "logs", "iris", "--since", "2026-01-01T00:00:01Z").output.endswith("new\n")


def test_an_exemption_is_asked_about(scripted: Scripted) -> None:
    config.save(Configuration(scripted.url, "hop_saved", "demo"))
    scripted.then(says(200, {"name": "iris", "status": "Running", "exemptions": ["egress"]}))
    refused = CliRunner().invoke(cli.main, ["serving", "exempt", "iris", "egress"], input="n\n")
    assert (refused.exit_code, scripted.requests) == (1, [])
    assert "they reach other machines and the internet?" in refused.output
    done = CliRunner().invoke(cli.main, ["serving", "exempt", "iris", "egress"], input="y\n")
    assert done.output.endswith("Exemptions of iris: egress.\n")


def test_a_canary_is_never_begun_twice_by_a_lost_answer(scripted: Scripted) -> None:
    scripted.then(refuses(503, "unavailable", "Later."))
    with Client(scripted.url, "hop_test", "demo") as client, pytest.raises(Exception, match="Later"):
        client.servings.canary("iris", 10, model_version=2)
    assert len(scripted.calls) == 1
