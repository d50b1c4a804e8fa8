"""New answers are compared and kept as the rules of redaction leave them."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from accounts.access import Access
from serving.models import ReplayedCall, Revision, Serving
from serving.replays.comparing import Answer
from tests.worker.replaying.conftest import Finish
from tests.worker.replaying.test_replaying import ask, recorded
from worker import redacting
from worker.replaying.redacting import Redacting

Create = Callable[..., Serving]
Rules = list[dict[str, str]]

MASKED: Rules = [{"field": "owner", "action": "mask"}]
HASHED: Rules = [{"field": "owner", "action": "hash"}]
PATTERN: Rules = [{"pattern": r"\d{4}-\d{4}", "action": "mask", "in": "outputs"}]
CARDS: Rules = [{"pattern": r"\d{4}-\d{4}", "action": "mask"}]
SLOW: Rules = [{"pattern": "(x+x+)+y", "action": "mask"}]
SECRET = "lavender"
OWNED = """
class Predict:
    def predict(self, inputs):
        return [{"owner": "lavender", "sum": sum(row)} for row in inputs]
"""


def answer(**fields: object) -> Answer:
    return Answer(200, json.dumps({"predictions": [fields]}))


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def serving(create: Create) -> Serving:
    return create()


@pytest.fixture
def pair(serving: Serving) -> Iterator[Callable[..., tuple[Answer, Answer]]]:
    opened: list[Redacting] = []

    def make(
        then: Rules, now: Rules, old: Answer, new: Answer, *, revision: int = 1
    ) -> tuple[Answer, Answer]:
        if not opened:
            first = serving.revisions.get()
            Revision.objects.filter(pk=first.pk).update(redaction=then)
            first.pk, first.number, first.redaction = None, 2, now
            first.save()
            opened.append(Redacting(serving))
        call = ReplayedCall(revision=revision, inputs="{}", status=old.status, outputs=old.body)
        return opened[0].pair(call, new, revision=2)

    yield make
    for each in opened:
        each.__exit__()


def test_a_replay_keeps_nothing_that_the_rules_hide_and_calls_it_the_same(
    create: Create, owner: Access, finish: Finish
) -> None:
    serving = create(OWNED, redaction=[{"field": "owner", "action": "mask", "in": "outputs"}])
    recorded(serving, 1, outputs='{"predictions": [{"owner": "***", "sum": 2}]}')
    recorded(serving, 2, outputs='{"predictions": [{"owner": "***", "sum": 4}]}')
    replay = finish(ask(owner, serving))
    assert (replay.state, replay.asked, replay.differing) == ("done", 2, 1)
    assert replay.calls.get(differs=True).difference == "[0].sum: 4, now 3"
    assert not [call for call in replay.calls.all() if SECRET in call.new_outputs + call.difference]


@pytest.mark.parametrize("rules", [MASKED, HASHED, PATTERN])
def test_what_both_hide_is_hidden_once(
    pair: Callable[..., tuple[Answer, Answer]], rules: Rules, serving: Serving
) -> None:
    old, new = pair(
        rules, rules, answer(owner="kept as it was", card="***"), answer(owner=SECRET, card="1234-5678")
    )
    assert old == answer(owner="kept as it was", card="***")
    document = json.loads(new.body)["predictions"][0]
    if rules is PATTERN:
        assert document == {"owner": SECRET, "card": "***"}
    else:
        assert document["owner"] != SECRET
        assert len(document["owner"]) == (3 if rules is MASKED else 16)


def test_the_rules_of_then_and_of_now_both_count(pair: Callable[..., tuple[Answer, Answer]]) -> None:
    old, new = pair(
        MASKED, PATTERN, answer(owner="***", card="1234-5678"), answer(owner=SECRET, card="8765-4321")
    )
    assert old == new == Answer(200, '{"predictions":[{"owner":"***","card":"***"}]}')


def test_the_rules_of_all_revisions_count_for_a_record_that_does_not_name_its_own(
    pair: Callable[..., tuple[Answer, Answer]],
) -> None:
    _, new = pair(MASKED, [], answer(), answer(owner=SECRET), revision=0)
    assert new == Answer(200, '{"predictions":[{"owner":"***"}]}')


def test_hashes_tell_whether_a_value_changed(pair: Callable[..., tuple[Answer, Answer]]) -> None:
    _, first = pair(HASHED, HASHED, answer(), answer(owner=SECRET))
    _, again = pair(HASHED, HASHED, answer(), answer(owner=SECRET))
    _, other = pair(HASHED, HASHED, answer(), answer(owner="rosemary"))
    assert first == again != other


def test_an_error_does_not_quote_what_is_hidden(pair: Callable[..., tuple[Answer, Answer]]) -> None:
    said = Answer(500, json.dumps({"error": "ValueError: 1234-5678 of lavender is unknown"}))
    _, new = pair(CARDS, [], Answer(200, "{}"), said)
    assert json.loads(new.body) == {"error": "ValueError: *** of lavender is unknown"}


@pytest.mark.parametrize(
    "body", ["no JSON: 1234-5678", '{"detail": "1234-5678"}', '{"error": {"a": "1234-5678"}}', ""]
)
def test_an_error_that_cannot_be_read_is_not_kept(
    pair: Callable[..., tuple[Answer, Answer]], body: str
) -> None:
    assert pair(CARDS, CARDS, Answer(200, "{}"), Answer(500, body))[1] == Answer(500, "")


@pytest.mark.parametrize("body", ["1234-5678 is no JSON", f'{{"predictions": ["{"x" * 70_000}"]}}'])
def test_an_answer_that_cannot_be_redacted_is_not_kept(
    pair: Callable[..., tuple[Answer, Answer]], body: str
) -> None:
    assert pair(CARDS, CARDS, answer(), Answer(200, body))[1] == Answer(200, "")


def test_a_pattern_that_takes_too_long_costs_its_answer_and_no_other(
    pair: Callable[..., tuple[Answer, Answer]],
) -> None:
    assert pair(SLOW, SLOW, answer(), answer(text="x" * 5000))[1] == Answer(200, "")
    assert json.loads(pair(SLOW, SLOW, answer(), answer(text="xxxy"))[1].body) == {
        "predictions": [{"text": "***"}]
    }


def test_a_process_that_says_nothing_or_dies_hides_everything_and_is_replaced(
    pair: Callable[..., tuple[Answer, Answer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    right: Any = redacting.COMMAND
    monkeypatch.setattr(redacting, "SECONDS", 0.3)
    monkeypatch.setattr(redacting, "REST_SECONDS", 0)
    for command in (("sleep", "60"), ("false",), ("echo", "[not JSON"), ("no-such-program",)):
        monkeypatch.setattr(redacting, "COMMAND", command)
        assert pair(CARDS, CARDS, answer(), answer(card="1234-5678"))[1] == Answer(200, "")
    monkeypatch.setattr(redacting, "COMMAND", right)
    monkeypatch.setattr(redacting, "SECONDS", 30)
    assert "***" in pair(CARDS, CARDS, answer(), answer(card="1234-5678"))[1].body


def test_a_process_that_failed_is_left_alone_for_a_while(
    pair: Callable[..., tuple[Answer, Answer]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    right: Any = redacting.COMMAND
    monkeypatch.setattr(redacting, "COMMAND", ("false",))
    assert pair(CARDS, CARDS, answer(), answer(card="1234-5678"))[1] == Answer(200, "")
    monkeypatch.setattr(redacting, "COMMAND", right)
    assert pair(CARDS, CARDS, answer(), answer(card="1234-5678"))[1] == Answer(200, "")
    assert len([each for each in caplog.messages if "nothing is kept for a while" in each]) == 1


def test_any_number_of_open_files_and_a_large_answer_are_no_trouble(
    pair: Callable[..., tuple[Answer, Answer]],
) -> None:
    with ExitStack() as stack:
        for _ in range(1_100):
            stack.enter_context(Path(os.devnull).open())
        text = "x" * 60_000
        new = pair(CARDS, CARDS, answer(), answer(card="1234-5678", text=text))[1]
    assert json.loads(new.body)["predictions"] == [{"card": "***", "text": text}]


def test_without_rules_nothing_is_changed_and_nothing_started(
    pair: Callable[..., tuple[Answer, Answer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redacting, "COMMAND", ("no-such-program",))
    said = Answer(200, '{ "predictions": [1] }')
    assert pair([], [], said, said) == (said, said)
