"""Which calls a replay copies, how much of them, and what becomes of it when it is ended or cannot be made."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.access import Access
from serving.models import InferenceRecord, Replay, Revision, Serving
from serving.replays import choosing
from serving.replays import services as replays
from tests.worker.replaying.test_replaying import ask, recorded
from worker.deployers.base import Deployer
from worker.replaying import asking, entrance, selecting, stepping
from worker.replaying.asking import Answer, Asked

Create = Callable[..., Serving]


@pytest.fixture
def serving(create: Create) -> Serving:
    made = create()
    for number in range(5):
        recorded(made, number)
    return made


def now(replay: Replay) -> Replay:
    replay.refresh_from_db()
    return replay


def test_the_newest_are_chosen_page_by_page_and_asked_as_they_came(
    serving: Serving, owner: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "PER_PAGE", 2)
    replay = ask(owner, serving, most=4)
    assert selecting.choose(replay)
    assert (now(replay).state, replay.total, replay.skipped) == ("running", 4, {})
    order: list[str] = []
    monkeypatch.setattr(
        asking,
        "_ask",
        lambda client, name, call: order.append(call.request_id) or Asked(Answer(200, "{}"), 1),
    )
    asking.ask_on(replay, serving="iris", address="127.0.0.1:1", token="", seconds=60)
    assert order == ["call-1", "call-2", "call-3", "call-4"]


def test_one_that_is_ended_while_it_chooses_stays_ended_and_copies_nothing(
    serving: Serving, owner: Access, deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = ask(owner, serving)

    def ended(*args: object, **options: object) -> str:
        replays.end(access=owner, replay=replay)
        return ""

    monkeypatch.setattr(choosing, "reason_against", ended)
    assert stepping.step(replay.pk, deployer)
    assert (now(replay).state, replay.started_at, replay.calls.count()) == ("failed", None, 0)
    assert replay.failure is not None
    assert replay.failure["code"] == "Ended"


def test_what_is_beyond_the_size_is_counted_and_not_copied(
    serving: Serving, owner: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "MEGABYTE", 1)
    recorded(serving, 6, outputs=f'"{"x" * 150}"')
    replay = ask(owner, serving)
    assert selecting.choose(replay)
    assert replay.calls.get(request_id="call-6")
    assert replay.total + replay.skipped[selecting.BEYOND_SIZE] == 6
    assert "call-0" not in replay.calls.values_list("request_id", flat=True)


def test_filters_that_are_none_any_more_end_it_with_the_reason(
    serving: Serving, owner: Access, deployer: Deployer
) -> None:
    replay = ask(owner, serving)
    Replay.objects.update(selection={"where": "x" * 9_000})
    assert stepping.step(replay.pk, deployer)
    assert now(replay).state == "failed"
    assert replay.failure is not None
    assert "where" in replay.failure["reason"]


def test_what_a_worker_that_died_had_copied_is_copied_once(serving: Serving, owner: Access) -> None:
    replay = ask(owner, serving)
    selecting.choose(replay)
    Replay.objects.update(state="waiting", started_at=None)
    assert selecting.choose(replay)
    assert replay.calls.count() == now(replay).total == 5


def test_a_large_new_answer_is_compared_and_not_kept(
    serving: Serving, owner: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = ask(owner, serving, most=1)
    selecting.choose(replay)
    large = Answer(200, f'"{"x" * asking.LARGEST_KEPT}"')
    monkeypatch.setattr(asking, "_ask", lambda *args: Asked(large, 1))
    asking.ask_on(replay, serving="iris", address="127.0.0.1:1", token="", seconds=60)
    call = replay.calls.get()
    assert (call.differs, call.new_outputs, call.new_status) == (True, "", 200)


def test_an_answer_that_no_database_takes_is_told_all_the_same(
    serving: Serving, owner: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = ask(owner, serving, most=1)
    selecting.choose(replay)
    strange = Answer(200, r'{"predictions": ["half \ud800, nul \u0000"]}')
    monkeypatch.setattr(asking, "_ask", lambda *args: Asked(strange, 1))
    asking.ask_on(replay, serving="iris", address="127.0.0.1:1", token="", seconds=60)
    call = replay.calls.get()
    assert (call.differs, call.difference) == (True, '[0]: 5, now "half ?, nul \\u0000"')


def test_an_empty_answer_is_not_taken_for_a_hidden_one(
    serving: Serving, owner: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = ask(owner, serving, most=1)
    selecting.choose(replay)
    monkeypatch.setattr(asking, "_ask", lambda *args: Asked(Answer(200, ""), 1))
    asking.ask_on(replay, serving="iris", address="127.0.0.1:1", token="", seconds=60)
    assert replay.calls.get().difference == "The answers are other texts."


def test_records_that_do_not_name_their_revision_may_be_of_any(serving: Serving, owner: Access) -> None:
    InferenceRecord.objects.filter(request_id="call-1").update(revision=0)
    replay = ask(owner, serving)
    assert selecting.choose(replay)
    assert now(replay).skipped == {}
    Revision.objects.filter(serving=serving).update(redaction=[{"field": "ssn"}])
    Replay.objects.filter(pk=replay.pk).update(state="waiting")
    assert selecting.choose(now(replay))
    assert now(replay).skipped == {"its inputs were redacted": 5}


def test_copies_of_calls_go_when_calls_of_their_age_do(
    serving: Serving, owner: Access, settings: LazySettings
) -> None:
    replay = ask(owner, serving)
    selecting.choose(replay)
    replay.calls.filter(request_id="call-1").update(requested_at=timezone.now() - timedelta(days=6))
    settings.INFERENCE_RECORDS_DAYS = 5
    stepping.forget_old()
    assert replay.calls.count() == 5, "it is not at its end"
    Replay.objects.filter(pk=replay.pk).update(state="done", finished_at=timezone.now())
    stepping.forget_old()
    assert sorted(replay.calls.values_list("request_id", flat=True)) == [
        "call-0",
        "call-2",
        "call-3",
        "call-4",
    ]


def test_replays_go_no_later_than_the_records_they_copied(
    serving: Serving, owner: Access, settings: LazySettings
) -> None:
    def old(days: int) -> Replay:
        return Replay.objects.create(
            serving=serving, revision=1, state="done", finished_at=timezone.now() - timedelta(days=days)
        )

    weeks, days, open_still = old(29), old(3), old(31)
    entrance.keys_file(open_still)
    settings.INFERENCE_RECORDS_DAYS = 0
    assert stepping.forget_old() == 0
    settings.INFERENCE_RECORDS_DAYS = 5
    stepping.forget_old()
    assert set(Replay.objects.all()) == {days, open_still}
    assert weeks not in Replay.objects.all()
    assert open_still in stepping.unfinished()
    entrance.close(open_still)
    assert stepping.forget_old() == 1
