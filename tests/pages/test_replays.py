"""The pages of replays: asking for one, how it goes, what came of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from serving.models import InferenceRecord, Replay, Serving
from tests.pages.conftest import HTMX, Pages

REPLAYS = "servings/Iris/replays/"


@pytest.fixture
def recorded(running: Serving) -> InferenceRecord:
    return InferenceRecord.objects.create(
        serving=running,
        request_id="call-1",
        revision=1,
        replica="r1-0-1",
        verb="predict",
        protocol="v1",
        status=200,
        requested_at=timezone.now() - timedelta(minutes=1),
        duration_us=1500,
        inputs='{"instances": [[1]]}',
        outputs='{"predictions": [1]}',
    )


def form(**changes: str) -> dict[str, str]:
    usual = {"revision": "1", "most": "10", "tolerance": "0.001"} | changes
    return {f"replay-{name}": value for name, value in usual.items()}


def test_the_selection_in_the_address_is_what_is_asked_again(recorded: InferenceRecord, bob: Pages) -> None:
    shown = bob.get(f"{REPLAYS}?status=200&revision=1").content.decode()
    assert "status 200" in shown
    response = bob.post(f"{REPLAYS}?status=200&revision=1", form())
    replay = Replay.objects.get()
    assert response.status_code == 302
    assert response["Location"].endswith(f"/{REPLAYS}{replay.pk}/")
    assert (replay.selection["status"], replay.selection["revision"], replay.most) == ("200", "1", 10)


def test_all_conditions_in_the_address_hold(recorded: InferenceRecord, bob: Pages) -> None:
    recorded.fields = {"in": {"a": [1]}, "out": {"b": [2]}}
    recorded.save()
    bob.post(f"{REPLAYS}?where=in.a+%3D+1&where=out.b+%3D+2", form())
    assert Replay.objects.get().selection["where"] == "in.a = 1 and out.b = 2"


def test_each_condition_in_the_address_is_whole_by_itself(recorded: InferenceRecord, bob: Pages) -> None:
    address = f"{REPLAYS}?where=in.a+%3D+'x&where=in.b+%3D+y'"
    assert "is not closed" in bob.get(address).content.decode()
    response = bob.post(address, form())
    assert (response.status_code, Replay.objects.exists()) == (400, False)
    assert "is not closed" in response.content.decode()


@pytest.mark.parametrize(
    ("address", "changes", "sentence"),
    [
        ("?status=200", {"most": "0"}, "greater than or equal to 1"),
        ("?status=200", {"revision": "9"}, "not one of the available choices"),
        ("?status=404", {}, "No recorded call matches"),
        ("?status=nine", {}, "status"),
    ],
)
def test_what_cannot_be_asked_is_said_beside_the_form(
    recorded: InferenceRecord, bob: Pages, address: str, changes: dict[str, str], sentence: str
) -> None:
    response = bob.post(f"{REPLAYS}{address}", form(**changes))
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert not Replay.objects.exists()


def test_a_wrong_selection_in_the_address_is_told_at_once(recorded: InferenceRecord, bob: Pages) -> None:
    assert "There is no filter colour" in bob.get(f"{REPLAYS}?colour=red").content.decode()


@pytest.fixture
def done(running: Serving) -> Replay:
    percentiles = {"p50": 1000, "p95": 2000, "p99": 3000}
    replay = Replay.objects.create(
        serving=running,
        revision=1,
        state="done",
        total=1,
        asked=1,
        differing=1,
        skipped={"its inputs were not kept": 2},
        summary={
            "calls": 1,
            "failing": 0,
            "largest_change": 0.5,
            "old_us": percentiles,
            "new_us": percentiles,
        },
    )
    replay.calls.create(
        request_id="call-<1>",
        requested_at=timezone.now(),
        revision=1,
        verb="predict",
        inputs="<script>",
        status=200,
        duration_us=10,
        new_status=200,
        new_duration_us=20,
        differs=True,
        difference="[0]: 1, now 1.5",
    )
    return replay


def test_what_came_of_it_is_said_in_a_sentence_and_call_by_call(done: Replay, bob: Pages) -> None:
    shown = bob.get(f"{REPLAYS}{done.pk}/").content.decode()
    assert "1 of 1 answers differ" in shown
    assert "[0]: 1, now 1.5" in shown
    assert "Left out: 2 calls, its inputs were not kept." in shown
    assert "<script>" not in shown.split("</head>")[1].split("<pre", 1)[1]
    assert "hx-trigger" not in shown.split('id="replay"')[1].split(">")[0]


def test_one_that_runs_is_followed_and_can_be_ended(running: Serving, bob: Pages, vera: Pages) -> None:
    replay = Replay.objects.create(
        serving=running, revision=1, state="running", step="Asking revision 1", total=9
    )
    section = bob.get(f"{REPLAYS}{replay.pk}/", headers=HTMX).content.decode()
    assert section.lstrip().startswith('<section id="replay"')
    assert "Asking revision 1: 0 of 9" in section
    assert vera.post(f"{REPLAYS}{replay.pk}/end/").status_code == 403
    assert bob.post(f"{REPLAYS}{replay.pk}/end/").status_code == 302
    replay.refresh_from_db()
    assert replay.state == "failed"


def test_a_viewer_sees_replays_and_cannot_ask_for_one(
    done: Replay, recorded: InferenceRecord, vera: Pages
) -> None:
    assert "Ask them again" not in vera.get(REPLAYS).content.decode()
    assert vera.post(REPLAYS, form()).status_code == 403
    assert vera.get(f"{REPLAYS}{done.pk}/").status_code == 200
