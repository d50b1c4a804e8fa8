"""What is made of ends, silence and readiness, decided without I/O."""

from datetime import UTC, datetime, timedelta

from serving.models import Replica
from serving.states import ReplicaState
from worker.failures import Failure
from worker.judgement import Facts, Rules, judge
from worker.rollout import Share

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = Facts(setbacks={}, failure=None, has_given_up=False, was_ready=False, good_revision=None)


def look(
    facts: Facts,
    *,
    failures: list[Failure] = (),
    living: list[Replica] = (),
    replicas: int = 1,
    pace: int = 0,
) -> Facts:  # type: ignore[assignment]
    return judge(
        facts,
        wanted=Share(2, replicas),
        canary=3,
        living=living,
        failures=failures,
        now=NOW,
        rules=Rules(most_attempts=3, pace=timedelta(seconds=pace)),
    )


def crash(slot: int = 0, revision: int = 2, code: str = "Crashed") -> Failure:
    return Failure(code, "It ended.", was_ready=True, revision=revision, slot=slot)


def ready(slot: int = 0, revision: int = 2, seconds: int = 1) -> Replica:
    at = NOW - timedelta(seconds=seconds)
    return Replica(revision=revision, slot=slot, state=ReplicaState.READY, ready_at=at)


def test_a_slot_has_three_attempts() -> None:
    facts = FRESH
    for attempt in (1, 2):
        facts = look(facts, failures=[crash()])
        assert (facts.has_given_up, facts.failure["attempt"]) == (False, attempt)
    facts = look(facts, failures=[crash()])
    assert (facts.has_given_up, facts.failure["code"], facts.failure["attempt"]) == (True, "CrashLoop", 3)
    assert facts.failure["reason"] == "It ended. Given up after 3 attempts."


def test_all_replicas_ending_at_once_is_one_attempt_of_each() -> None:
    facts = look(FRESH, failures=[crash(0), crash(1), crash(2)], replicas=3)
    assert not facts.has_given_up


def test_a_hopeless_failure_is_not_tried_again() -> None:
    facts = look(FRESH, failures=[crash(code="ScriptSyntaxError")])
    assert (facts.has_given_up, facts.failure["code"]) == (True, "ScriptSyntaxError")


def test_ready_in_full_is_good_and_forgets_the_failure() -> None:
    failing = look(FRESH, failures=[crash()])
    facts = look(failing, living=[ready()])
    assert (facts.was_ready, facts.failure, facts.good_revision) == (True, None, 2)
    assert facts.setbacks == {"2-0": 1}, "a crash loop is ready between its crashes"


def test_ready_in_part_is_not_good() -> None:
    assert look(FRESH, living=[ready(0)], replicas=2).good_revision is None


def test_a_replica_that_stays_ready_gets_its_attempts_back() -> None:
    failing = look(FRESH, failures=[crash(0), crash(1)], replicas=2)
    assert look(failing, living=[ready(0, seconds=61), ready(1)], replicas=2).setbacks == {"2-1": 1}


def test_the_good_revisions_own_crashes_do_not_fail_the_new_one() -> None:
    facts = Facts({}, None, has_given_up=False, was_ready=False, good_revision=1)
    for _ in range(2):
        facts = look(facts, failures=[crash(revision=1)])
    assert (facts.failure, facts.good_revision) == (None, 1)
    facts = look(facts, failures=[crash(revision=1)])
    assert (facts.failure, facts.good_revision, facts.setbacks) == (None, 1, {"1-0": 3})


def test_a_new_revision_is_good_once_it_has_been_ready_for_the_pace() -> None:
    facts = Facts({}, None, has_given_up=False, was_ready=False, good_revision=1, good_replicas=3)
    assert look(facts, living=[ready(seconds=4)], pace=5).good_revision == 1
    facts = look(facts, living=[ready(seconds=5)], pace=5)
    assert (facts.good_revision, facts.good_replicas, facts.was_ready) == (2, 1, True)


def test_a_first_start_waits_for_no_pace() -> None:
    assert look(FRESH, living=[ready(seconds=0)], pace=5).was_ready


def test_the_number_of_the_good_revision_follows_its_scale() -> None:
    facts = Facts({}, None, has_given_up=False, was_ready=True, good_revision=2, good_replicas=1)
    assert look(facts, living=[ready()], replicas=4).good_replicas == 4


def test_a_canary_that_is_given_up_fails_nobody_else() -> None:
    facts = FRESH
    for _ in range(2):
        facts = look(facts, failures=[crash(revision=3)])
    assert (facts.canary_failure, facts.failure) == (None, None)
    facts = look(facts, failures=[crash(revision=3)], living=[ready()])
    assert facts.canary_failure is not None
    assert facts.canary_failure["reason"] == "It ended. Given up after 3 attempts."
    assert (facts.failure, facts.has_given_up, facts.was_ready) == (None, False, True)
