"""The status is one pure, total function of the facts."""

import itertools

import pytest

from serving.states import (
    Canary,
    ConditionType,
    ReplicaState,
    SeenReplica,
    Status,
    Verdict,
    Wanted,
    derive,
    unseen,
)

READY, STARTING, STOPPING, EXITED = (
    ReplicaState.READY,
    ReplicaState.STARTING,
    ReplicaState.STOPPING,
    ReplicaState.EXITED,
)


def wanted(**changes: object) -> Wanted:
    facts = {"revision": 2, "replicas": 2, "preparing": "", "was_ready": False, "has_run": True}
    return Wanted(**(facts | changes))  # type: ignore[arg-type]


def seen(*pairs: tuple[int, ReplicaState]) -> list[SeenReplica]:
    return [SeenReplica(revision, state) for revision, state in pairs]


@pytest.mark.parametrize(
    ("wish", "replicas", "status"),
    [
        (wanted(replicas=0, preparing="Building the environment", has_run=False), seen(), Status.CREATING),
        (wanted(replicas=0, has_run=False), seen(), Status.CREATED),
        (wanted(replicas=0), seen(), Status.STOPPED),
        (wanted(replicas=0), seen((2, EXITED)), Status.STOPPED),
        (wanted(replicas=0), seen((2, STOPPING)), Status.STOPPING),
        (wanted(replicas=0), seen((2, READY)), Status.STOPPING),
        (wanted(replicas=0, failure="no disk"), seen(), Status.FAILED),
        (wanted(), seen(), Status.STARTING),
        (wanted(preparing="Building the environment"), seen(), Status.STARTING),
        (wanted(), seen((2, STARTING), (2, STARTING)), Status.STARTING),
        (wanted(), seen((2, READY), (2, STARTING)), Status.STARTING),
        (wanted(was_ready=True), seen((2, READY), (2, READY)), Status.RUNNING),
        (wanted(was_ready=True), seen((2, READY), (2, STARTING)), Status.RUNNING),
        (wanted(was_ready=True), seen((2, STARTING)), Status.STARTING),
        (wanted(was_ready=True, setback="it died"), seen(), Status.STARTING),
        (wanted(), seen((1, READY), (2, STARTING)), Status.UPDATING),
        (wanted(), seen((1, READY), (2, READY)), Status.UPDATING),
        (wanted(failure="bad script"), seen(), Status.FAILED),
        (wanted(failure="bad script"), seen((2, STARTING)), Status.FAILED),
        (wanted(failure="bad script"), seen((1, READY)), Status.RUNNING),
        (wanted(failure="one port taken"), seen((2, READY)), Status.RUNNING),
    ],
)
def test_the_status_follows_from_the_facts(wish: Wanted, replicas: list[SeenReplica], status: Status) -> None:
    assert derive(wish, replicas).status == status


def every_case() -> "itertools.product[tuple[object, ...]]":
    pairs = list(itertools.product((1, 2), ReplicaState))
    groups = [group for size in range(4) for group in itertools.combinations_with_replacement(pairs, size)]
    flags = (False, True)
    return itertools.product(
        (0, 1, 2), ("", "Building"), flags, flags, (None, "why"), (None, "before"), groups
    )


def test_every_combination_has_a_status_and_a_reason_in_one_line() -> None:
    for replicas, preparing, was_ready, has_run, failure, setback, group in every_case():
        verdict = derive(Wanted(2, replicas, preparing, was_ready, has_run, failure, setback), seen(*group))  # type: ignore[misc,arg-type]
        assert verdict.condition.reason
        assert "\n" not in verdict.condition.reason


def test_nothing_is_called_ready_while_no_replica_is() -> None:
    for replicas, preparing, was_ready, has_run, failure, setback, group in every_case():
        verdict = derive(Wanted(2, replicas, preparing, was_ready, has_run, failure, setback), seen(*group))  # type: ignore[misc,arg-type]
        if (verdict.condition.type, verdict.condition.status) == (ConditionType.READY, True):
            assert verdict.status == Status.RUNNING
            assert any(state == READY for _, state in group)  # type: ignore[union-attr]


def test_an_update_that_failed_says_which_revision_still_answers() -> None:
    verdict = derive(wanted(failure="the script has no class Predict"), seen((1, READY)))
    assert verdict.condition.reason == (
        "Revision 1 answers; the update to revision 2 failed: the script has no class Predict"
    )


def test_a_predict_path_that_keeps_failing_shows_in_the_reason() -> None:
    replicas = [SeenReplica(2, READY, "the last 5 predictions failed: ValueError"), SeenReplica(2, READY)]
    assert "the last 5 predictions failed" in derive(wanted(was_ready=True), replicas).condition.reason


def test_predictors_whose_transformer_is_not_ready_are_no_answer() -> None:
    behind = SeenReplica(2, READY, is_front=False)
    front = SeenReplica(2, READY)
    assert derive(wanted(was_ready=True), [behind, behind]).status == Status.STARTING
    assert derive(wanted(failure="why"), [behind]).status == Status.FAILED
    assert derive(wanted(was_ready=True), [behind, front]).status == Status.RUNNING


def test_an_update_that_is_being_prepared_says_what_is_done() -> None:
    verdict = derive(wanted(preparing="Building the environment"), seen((1, READY)))
    assert verdict.status == Status.UPDATING
    assert verdict.condition.reason == "Revision 1 answers; building the environment"


def test_an_old_revision_that_answers_wrongly_is_not_called_ready() -> None:
    verdict = derive(wanted(failure="bad script"), [SeenReplica(1, READY, "every prediction fails")])
    assert verdict.condition.status is False
    assert "every prediction fails" in verdict.condition.reason


def with_canary(*canaries: ReplicaState, failure: str | None = None, **changes: object) -> Verdict:
    wish = wanted(was_ready=True, canary=Canary(3, 10, 1, failure), **changes)
    return derive(wish, seen((2, READY), (2, READY), *((3, state) for state in canaries)))


@pytest.mark.parametrize(
    ("canaries", "failure", "said"),
    [
        ((), None, "the canary, revision 3, gets no requests yet, 0 of 1 replica ready"),
        ((STARTING,), None, "the canary, revision 3, gets no requests yet, 0 of 1 replica ready"),
        ((READY,), None, "the canary, revision 3, gets 10 %, 1 of 1 replica ready"),
        ((), "It has no licence.", "the canary, revision 3, failed and gets no requests: It has no licence."),
    ],
)
def test_what_a_canary_does_is_said_beside_and_changes_no_status(
    canaries: tuple[ReplicaState, ...], failure: str | None, said: str
) -> None:
    verdict = with_canary(*canaries, failure=failure)
    assert (verdict.status, verdict.condition.status) == (Status.RUNNING, True)
    assert verdict.condition.reason == f"2 of 2 replicas ready; {said}"


def test_a_canary_that_answers_does_not_make_a_failed_serving_run() -> None:
    wish = wanted(failure="bad script", canary=Canary(3, 10, 1))
    assert derive(wish, seen((3, READY))).status == Status.FAILED


def test_stopping_counts_the_canary_too() -> None:
    assert with_canary(READY, replicas=0).condition.reason == "3 replicas finishing"


def test_what_nobody_can_look_at_keeps_its_status_and_says_so() -> None:
    verdict = unseen(
        derive(wanted(was_ready=True), seen((2, READY), (2, READY))), "The engine does not answer."
    )
    assert (verdict.status, verdict.condition.status) == (Status.RUNNING, None)
    assert verdict.condition.reason == "The engine does not answer. As last seen: 2 of 2 replicas ready"
