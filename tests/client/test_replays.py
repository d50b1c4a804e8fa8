"""Replays by the client and the command line."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from hopyard import cli
from hopyard.client import Client, config
from hopyard.client.config import Configuration
from hopyard.client.errors import ServingFailed
from tests.client.scripted import Scripted, page, says

REPLAYS = "/api/projects/demo/servings/iris/replays/"
WAITING = {"id": 4, "revision": 2, "state": "waiting", "selection": {"status": "200"}, "total": 0}
DONE = {
    **WAITING,
    "state": "done",
    "total": 3,
    "asked": 3,
    "differing": 1,
    "skipped": {"its inputs were not kept": 2},
    "summary": {
        "largest_change": 0.25,
        "old_us": {"p50": 1000, "p95": 1500, "p99": 2000},
        "new_us": {"p50": 3000, "p95": 3500, "p99": 4000},
    },
}
ENDED = {
    **WAITING,
    "state": "failed",
    "total": 3,
    "asked": 1,
    "failure": {"code": "Ended", "reason": "bob ended it."},
}
CALL = {"request_id": "call-2", "differs": True, "difference": "[0]: 3, now 3.25", "status": 200}


@pytest.fixture
def run(scripted: Scripted) -> Callable[..., Result]:
    config.save(Configuration(scripted.url, "hop_saved", "demo"))
    return lambda *arguments: CliRunner().invoke(cli.main, arguments)


def test_a_replay_is_asked_for_waited_for_and_read(client: Client, scripted: Scripted) -> None:
    scripted.then(says(202, WAITING), says(200, WAITING), says(200, DONE), page(CALL))
    asked = client.replays.ask("iris", 2, selection={"status": "200"}, most=50)
    done = client.replays.wait("iris", asked.id)
    assert (done.differing, done.summary["largest_change"]) == (1, 0.25)
    (call,) = client.replays.calls("iris", 4, differing=True)
    assert call.difference == "[0]: 3, now 3.25"
    sent = scripted.requests
    assert (sent[0].method, sent[0].path) == ("POST", REPLAYS)
    assert json.loads(sent[0].body) == {
        "revision": 2,
        "selection": {"status": "200"},
        "most": 50,
        "tolerance": 1e-6,
    }
    assert sent[3].path.startswith(f"{REPLAYS}4/calls/?differing=true")


def test_one_that_came_to_nothing_raises_with_its_reason(client: Client, scripted: Scripted) -> None:
    failure = {"code": "OutOfMemory", "reason": "It needed more.", "evidence": ""}
    scripted.then(says(200, {**WAITING, "state": "failed", "failure": failure}))
    with pytest.raises(ServingFailed, match="It needed more"):
        client.replays.wait("iris", 4)


def test_the_command_waits_and_shows_what_differs(run: Callable[..., Result], scripted: Scripted) -> None:
    scripted.then(says(202, WAITING), says(200, DONE), page(CALL))
    result = run("replay", "ask", "iris", "2", "--status", "200", "--revision", "1")
    assert result.exit_code == 0, result.output
    sent = json.loads(scripted.requests[0].body)
    assert (sent["revision"], sent["selection"]) == (2, {"status": "200", "revision": "1"})
    for words in ("3 of 3", "2, its inputs were not kept", "1.0 ms recorded, 3.0 ms now", "[0]: 3, now 3.25"):
        assert words in result.output


def test_replays_are_listed(run: Callable[..., Result], scripted: Scripted) -> None:
    scripted.then(page(DONE))
    assert "1" in run("replay", "list", "iris").output


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ENDED, "Ended replay 4: it asked 1 of 3 calls."),
        ({**ENDED, "total": 0, "asked": 0}, "Ended replay 4: it asked none of its calls."),
        (DONE, "Replay 4 is done, and stays as it is: it asked 3 of 3 calls."),
        (
            {**ENDED, "failure": {"code": "OutOfMemory", "reason": "It needed more."}},
            "Replay 4 had failed, and stays as it is: OutOfMemory: It needed more.",
        ),
    ],
)
def test_the_end_of_a_replay_is_said(
    answer: dict[str, object], said: str, run: Callable[..., Result], scripted: Scripted
) -> None:
    scripted.then(says(200, answer))
    result = run("replay", "end", "iris", "4")
    assert (result.exit_code, result.output) == (0, f"{said}\n")
