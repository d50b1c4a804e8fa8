"""Replays over REST: asked for, looked at, ended."""

import pytest
from rest_framework.test import APIClient

from accounts.models import AuditEntry
from serving import wishes
from serving.models import InferenceRecord, Replay, Serving
from serving.records import queries
from tests.conftest import People

REPLAYS = "/api/projects/garden/servings/iris/replays/"


@pytest.fixture
def replay(serving: Serving) -> Replay:
    found = Replay.objects.create(serving=serving, revision=1, state="done", total=2, asked=2, differing=1)
    for number in range(2):
        found.calls.create(
            request_id=str(number),
            requested_at="2026-01-01T00:00:00Z",
            revision=1,
            verb="predict",
            inputs="{}",
            status=200,
            duration_us=10,
            new_status=200,
            new_duration_us=20,
            differs=number == 1,
        )
    return found


def test_a_replay_is_asked_for_with_the_filters_of_the_records(
    api: APIClient, recorded: list[InferenceRecord], people: People
) -> None:
    asked = {"revision": 1, "selection": {"status": "200"}, "most": 10}
    response = api.post(REPLAYS, asked, format="json")
    assert response.status_code == 202
    found = Replay.objects.get(pk=response.json()["id"])
    assert (found.state, found.revision, found.created_by) == ("waiting", 1, people.bob)
    assert found.selection["status"] == "200"
    assert AuditEntry.objects.filter(action="replay_calls", target="iris").exists()


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ({}, 400, "revision"),
        ({"revision": 7}, 404, "no revision 7"),
        ({"revision": 1, "most": 0}, 400, "Between 1 and 5,000"),
        ({"revision": 1, "tolerance": 5}, 400, "tolerance"),
        ({"revision": 1, "selection": {"status": "nine"}}, 400, "status"),
        ({"revision": 1, "selection": {"colour": "red"}}, 400, "colour"),
        ({"revision": 1, "selection": {"status": "404"}}, 400, "No recorded call matches"),
        ({"revision": 1, "selection": []}, 400, "selection"),
        ({"revision": 1, "selection": {"where": "in.x != " + 1500 * "\\"}}, 400, "2000 characters"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    api: APIClient, recorded: list[InferenceRecord], asked: dict[str, object], status: int, word: str
) -> None:
    response = api.post(REPLAYS, asked, format="json")
    assert response.status_code == status
    assert word in response.content.decode()
    assert not Replay.objects.exists()


def test_where_time_is_over_before_a_call_was_found_the_worker_looks_on(
    api: APIClient, recorded: list[InferenceRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    locked = wishes.locked

    def searched(*args: object, **options: object) -> queries.Page:
        looked.append("searched")
        return queries.Page([], queries.Place(recorded[0].requested_at, 1))

    def held(serving: Serving) -> Serving:
        looked.append("locked")
        return locked(serving)

    monkeypatch.setattr(queries, "page", searched)
    monkeypatch.setattr(wishes, "locked", held)
    assert api.post(REPLAYS, {"revision": 1}, format="json").status_code == 202
    assert looked == ["searched", "locked"]


def test_one_replay_of_a_serving_runs_at_a_time(api: APIClient, recorded: list[InferenceRecord]) -> None:
    first = api.post(REPLAYS, {"revision": 1}, format="json").json()["id"]
    assert api.post(REPLAYS, {"revision": 1}, format="json").status_code == 409
    ended = api.delete(f"{REPLAYS}{first}/").json()
    assert (ended["state"], ended["failure"]["reason"]) == ("failed", "bob ended it.")
    assert api.post(REPLAYS, {"revision": 1}, format="json").status_code == 202


def test_calls_that_differ_come_first_and_may_be_asked_for_alone(api: APIClient, replay: Replay) -> None:
    calls = f"{REPLAYS}{replay.pk}/calls/"
    assert [call["request_id"] for call in api.get(calls).json()["items"]] == ["1", "0"]
    assert [call["request_id"] for call in api.get(f"{calls}?differing=true").json()["items"]] == ["1"]
    assert api.get(f"{REPLAYS}999/calls/").status_code == 404
