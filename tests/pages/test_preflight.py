"""Pre-flights on the pages: the list of checks, checking without saving, and what a red one means for Run."""

import re
from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from models_registry.models import ModelVersion
from serving.models import Preflight, Revision, Serving, ServingEvent
from tests.pages.conftest import HTMX, SCRIPT, Pages

RED = {
    "name": "predicts",
    "title": "The input example is predicted",
    "state": "failed",
    "sentence": "NameError: name 'x' is not defined.",
    "code": "PredictFailed",
    "evidence": "Traceback <x>",
    "seconds": 0.25,
}
GREEN = {
    "name": "syntax",
    "title": "The script is valid Python",
    "state": "passed",
    "sentence": "predictor.py is valid.",
    "code": "",
    "evidence": "",
    "seconds": 0.01,
}
GIVEN = {"script": SCRIPT, "name": "Iris", "replicas": "2"}


def finish(*checks: dict[str, object]) -> None:
    """As the worker leaves the pre-flights."""
    is_red = any(check["state"] == "failed" for check in checks)
    state = Preflight.State.FAILED if is_red else Preflight.State.PASSED
    Preflight.objects.update(state=state, checks=list(checks), finished_at=timezone.now())
    Serving.objects.update(changed_at=timezone.now())


@pytest.fixture
def red(serving: Serving) -> Serving:
    finish(GREEN, RED)
    return serving


def test_the_overview_lists_the_checks_with_sentence_evidence_and_time(red: Serving, vera: Pages) -> None:
    content = vera.get("servings/Iris/").content.decode()
    assert re.findall(r'<li class="check check--(\w+)">', content) == ["passed", "failed"]
    for shown in (RED["title"], "NameError: name &#x27;x&#x27;", "Traceback &lt;x&gt;", "0.25 s"):
        assert str(shown) in content
    assert "/check-again/" not in content, "which is for those who may write"


def test_the_overview_notices_that_a_pre_flight_has_moved(serving: Serving, vera: Pages) -> None:
    tag = vera.get("servings/Iris/", headers=HTMX)["HX-PTag"]
    finish(GREEN)
    assert b"check--passed" in vera.get("servings/Iris/", headers=HTMX | {"HX-PTag": tag}).content


def test_checking_without_saving_keeps_the_input_and_saves_nothing(version: ModelVersion, bob: Pages) -> None:
    response = bob.post("new-serving/", {**GIVEN, "description": "typed", "check": "1"})
    content = response.content.decode()
    assert response.status_code == 200
    assert "typed" in content
    assert not Serving.objects.exists()
    found = Preflight.objects.get()
    assert f'hx-get="/projects/garden/preflights/{found.pk}/"' in content
    assert f'<a href="/projects/garden/preflights/{found.pk}/">' in content, "the way without script"


def test_checking_an_edit_checks_what_is_typed_and_leaves_the_serving(serving: Serving, bob: Pages) -> None:
    given = {"script": SCRIPT, "class_name": "Flowers", "expected_revision": "1", "check": "1"}
    assert bob.post("servings/Iris/edit/", given).status_code == 200
    assert Revision.objects.count() == 1
    newest = Preflight.objects.order_by("-pk")[0]
    assert newest.subject["class_name"] == "Flowers"
    assert newest.pk != serving.current.preflight_id


def test_a_form_that_is_wrong_is_not_checked_but_marked(version: ModelVersion, bob: Pages) -> None:
    for wrong in ({"model_version": "9"}, {"replicas": "0"}, {"script": ""}, {"requirements": "-e ."}):
        response = bob.post("new-serving/", {**GIVEN, **wrong, "check": "1"})
        assert response.status_code == 400
        assert f'id="id_{next(iter(wrong))}_error"' in response.content.decode()
    assert not Preflight.objects.exists()


def test_a_pre_flight_has_a_page_and_a_section_that_asks_until_it_has_ended(
    version: ModelVersion, bob: Pages, vera: Pages
) -> None:
    bob.post("new-serving/", {**GIVEN, "check": "1"})
    path = f"preflights/{Preflight.objects.get().pk}/"
    assert b"<html" in vera.get(path).content
    section = vera.get(path, headers=HTMX)
    assert b"<html" not in section.content
    assert b"hx-get" in section.content
    tag = section["HX-PTag"]
    assert vera.get(path, headers=HTMX | {"HX-PTag": tag}).status_code == 304
    finish(GREEN, RED)
    ended = vera.get(path, headers=HTMX | {"HX-PTag": tag}).content
    assert b"check--failed" in ended
    assert b"hx-get" not in ended


def test_a_pre_flight_is_its_projects_own(version: ModelVersion, pages: Callable[[str], Pages]) -> None:
    assert pages("vera").post("new-serving/", {**GIVEN, "check": "1"}).status_code == 403
    pages("bob").post("new-serving/", {**GIVEN, "check": "1"})
    number = Preflight.objects.get().pk
    assert pages("charlie").get(f"preflights/{number}/").status_code == 404
    assert pages("charlie").client.get(f"/projects/elsewhere/preflights/{number}/").status_code == 404
    assert b"no pre-flight" in pages("vera").get(f"preflights/{number + 1}/").content


def test_checking_again_forgets_what_was_found(red: Serving, bob: Pages, vera: Pages) -> None:
    assert b"/servings/Iris/check-again/" in bob.get("servings/Iris/").content
    assert vera.post("servings/Iris/check-again/").status_code == 403
    response = bob.post("servings/Iris/check-again/", follow=True)
    assert b"being checked again" in response.content
    assert Preflight.objects.get().state == Preflight.State.WAITING


def test_a_red_pre_flight_takes_the_place_of_run(red: Serving, alice: Pages, bob: Pages, vera: Pages) -> None:
    for path in ("servings/", "servings/Iris/"):
        for person in (alice, bob):
            content = person.get(path).content
            assert b"/Iris/run/" not in content
            assert b"Pre-flight red" in content
        assert b"Pre-flight red" not in vera.get(path).content
    assert b"/Iris/start-anyway/" in alice.get("servings/Iris/").content
    assert b"/Iris/start-anyway/" not in bob.get("servings/Iris/").content
    assert b"an owner can start it anyway" in bob.get("servings/Iris/").content


def test_run_refuses_in_words_while_the_pre_flight_is_red(red: Serving, bob: Pages) -> None:
    content = bob.post("servings/Iris/run/", follow=True).content
    assert b"The pre-flight of revision 1 is red" in content
    assert Serving.objects.get().wanted_replicas == 0


def test_an_owner_starts_it_anyway_after_seeing_what_is_red(red: Serving, alice: Pages) -> None:
    question = alice.get("servings/Iris/start-anyway/").content.decode()
    assert "NameError" in question
    assert "valid Python" not in question, "only what is red"
    assert 'action="/projects/garden/servings/Iris/run/"' in question
    assert '<input type="hidden" name="override" value="1">' in question
    assert Serving.objects.get().wanted_replicas == 0
    alice.post("servings/Iris/run/", {"override": "1"})
    assert Serving.objects.get().wanted_replicas == 1
    assert "overridden by alice" in alice.get("servings/Iris/").content.decode()
    assert "pre-flight overridden by alice" in alice.get("servings/Iris/history/").content.decode()
    assert ServingEvent.objects.filter(kind="overrode", actor="alice").exists()
    assert AuditEntry.objects.filter(action="override_preflight").exists()
    alice.post("servings/Iris/stop/")
    assert b"/Iris/run/" in alice.get("servings/Iris/").content, "once overridden, Run is back"


@pytest.mark.parametrize(("person", "status"), [("bob", 403), ("vera", 403), ("charlie", 404)])
def test_nobody_else_starts_it_anyway(
    red: Serving, pages: Callable[[str], Pages], person: str, status: int
) -> None:
    other = pages(person)
    assert other.get("servings/Iris/start-anyway/").status_code == status
    assert other.post("servings/Iris/run/", {"override": "1"}).status_code == status
    assert Serving.objects.get().wanted_replicas == 0
    assert Revision.objects.get().overridden_by is None
