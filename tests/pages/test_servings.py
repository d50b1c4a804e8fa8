"""Running and watching servings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import gateway, services
from serving.gateway import Answer
from serving.models import InferenceRecord, Serving
from serving.settings import Settings
from tests.conftest import IRIS_SCRIPT
from tests.pages.conftest import HTMX, SCRIPT, Pages

FAILURE = {"code": "DependencyMissing", "reason": "No module x.", "evidence": "Traceback <x>", "attempt": 2}


def newest(name: str = "Iris") -> Serving:
    return Serving.objects.select_related("revision__model_version__model").get(name=name, is_deleted=False)


def test_the_list_is_stable_filtered_and_shows_the_reason(
    running: Serving, owner: Access, bob: Pages
) -> None:
    services.create(access=owner, wanted=Settings(name="Aphid", script=SCRIPT))
    content = bob.get("servings/").content.decode()
    assert content.index("Aphid") < content.index("Iris")
    assert "1 of 1 replica ready" in content
    assert "1/1" in content
    filtered = bob.get("servings/?q=aphi").content.decode()
    assert "Aphid" in filtered
    assert "servings/Iris/" not in filtered
    assert "Nothing matches" in bob.get("servings/?q=zzz").content.decode()


def test_an_empty_list_teaches_the_three_steps(alice: Pages) -> None:
    assert b"serving.create_or_update(" in alice.get("servings/").content


@pytest.mark.parametrize(
    "path", ["servings/", "servings/Iris/", "servings/Iris/logs/", "servings/Iris/history/"]
)
def test_a_poll_gets_only_the_section_and_304_while_nothing_changes(
    serving: Serving, owner: Access, bob: Pages, path: str
) -> None:
    first = bob.get(path, headers=HTMX)
    assert b"<html" not in first.content
    tag = first["HX-PTag"]
    assert f'hx-ptag="{tag}"'.encode() in first.content
    unchanged = bob.get(path, headers=HTMX | {"HX-PTag": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    services.start(access=owner, serving=serving)
    assert bob.get(path, headers=HTMX | {"HX-PTag": tag}).status_code == 200


def test_an_unchanged_poll_costs_four_small_reads(
    serving: Serving, bob: Pages, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tag = bob.get("servings/", headers=HTMX)["HX-PTag"]
    with django_assert_num_queries(4):  # session, user, membership, tag
        bob.get("servings/", headers=HTMX | {"HX-PTag": tag})


def test_another_filter_is_another_tag(serving: Serving, bob: Pages) -> None:
    tag = bob.get("servings/?q=iris", headers=HTMX)["HX-PTag"]
    assert bob.get("servings/?q=zzz", headers=HTMX | {"HX-PTag": tag}).status_code == 200


def test_run_and_stop_are_shown_when_they_make_sense(serving: Serving, owner: Access, bob: Pages) -> None:
    def buttons() -> tuple[bool, bool]:
        content = bob.get("servings/Iris/").content
        return b"/Iris/run/" in content, b"/Iris/stop/" in content

    assert buttons() == (True, False)
    bob.post("servings/Iris/run/")
    assert buttons() == (False, True)
    Serving.objects.update(has_given_up=True)
    assert buttons() == (True, True)
    bob.post("servings/Iris/stop/")
    assert buttons() == (True, False)


def test_a_button_leads_back_to_where_it_was_pressed_but_never_elsewhere(
    serving: Serving, bob: Pages
) -> None:
    back = "/projects/garden/servings/?q=iris"
    assert bob.post("servings/Iris/run/", {"next": back})["Location"] == back
    elsewhere = bob.post("servings/Iris/stop/", {"next": "//evil.example/"})
    assert elsewhere["Location"] == "/projects/garden/servings/Iris/"


def test_deleting_asks_first(serving: Serving, bob: Pages) -> None:
    assert b"Delete the serving Iris?" in bob.get("servings/Iris/delete/").content
    assert Serving.objects.filter(is_deleted=False).exists()
    bob.post("servings/Iris/delete/")
    assert not Serving.objects.filter(is_deleted=False).exists()


def test_the_overview_shows_both_addresses_and_a_curl_line(
    running: Serving, vera: Pages, settings: LazySettings
) -> None:
    content = vera.get("servings/Iris/").content.decode()
    path = f"{settings.PUBLIC_URL}/inference/garden/Iris/v1/models/Iris:predict"
    assert f'<code id="path-url">{path}</code>' in content
    assert f"http://{settings.REPLICA_HOST}:{running.port}/v1/models/Iris:predict" in content
    assert f"curl {path}" in content
    assert "$HOPYARD_API_KEY" in content
    assert "r1-0-1" in content


def test_a_failure_shows_code_reason_evidence_and_what_to_do(serving: Serving, vera: Pages) -> None:
    Serving.objects.update(failure=FAILURE, has_given_up=True, status="Failed")
    content = vera.get("servings/Iris/").content.decode()
    for shown in (
        "DependencyMissing",
        "No module x.",
        "Traceback &lt;x&gt;",
        "after attempt 2",
        "All logs of the attempts",
    ):
        assert shown in content


def test_rolling_back_makes_a_new_revision(serving: Serving, bob: Pages) -> None:
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "replicas": "3"})
    assert b"roll-back/1/" in bob.get("servings/Iris/history/").content
    bob.post("servings/Iris/roll-back/1/")
    revision = newest().revision
    assert revision is not None
    assert (revision.number, revision.replicas) == (3, 1)
    assert b"Revision 3 is revision 1 again" in bob.get("servings/Iris/history/").content
    assert b"has no revision 9" in bob.post("servings/Iris/roll-back/9/", follow=True).content


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        ("[[5.1, 3.5]]", {"instances": [[5.1, 3.5]]}),
        ("[5.1, 3.5]", {"instances": [[5.1, 3.5]]}),
        ('{"inputs": {"a": [1]}}', {"inputs": {"a": [1]}}),
        ("not json", {"instances": [[1.0, 2.0, 3.0, 4.0]]}),
    ],
)
def test_the_try_it_box_begins_with_the_versions_own_example(
    export: Callable[..., ModelVersion], owner: Access, bob: Pages, example: str, shown: object
) -> None:
    export(files={"predictor.py": IRIS_SCRIPT, "input_example.json": example})
    services.create(access=owner, wanted=Settings(name="Iris", script=SCRIPT))
    response = bob.get("servings/Iris/")
    assert json.loads(response.context["try_form"]["body"].value()) == shown


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_try_it_shows_the_answer_with_and_without_script(
    running: Serving, vera: Pages, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    asked: dict[str, object] = {}

    def forward(serving: Serving, **request: object) -> Answer:
        asked.update(request)
        return Answer(200, b'{"predictions":["setosa"]}')

    monkeypatch.setattr(gateway, "forward", forward)
    response = vera.post(
        "servings/Iris/try/", {"verb": "classify", "body": '{"instances": []}'}, headers=headers
    )
    content = response.content.decode()
    assert asked["path"] == "v1/models/Iris:classify"
    assert asked["body"] == b'{"instances": []}'
    assert "setosa" in content
    assert " ms" in content
    assert ("<html" in content) == (headers == {})


def test_try_it_says_why_a_stopped_serving_does_not_answer(serving: Serving, vera: Pages) -> None:
    content = vera.post("servings/Iris/try/", {"verb": "predict", "body": "{}"}).content
    assert b"not running; start it first" in content
    assert b"409" in content
    assert b"Write a request body" in vera.post("servings/Iris/try/", {"verb": "predict"}).content


@pytest.fixture
def log(running: Serving, settings: LazySettings, tmp_path: Path) -> Path:
    settings.LOG_DIR = tmp_path
    path = tmp_path / running.key / "r1-0-1.log"
    path.parent.mkdir()
    path.write_text("2026-01-01T00:00:00Z model loaded\n2026-01-01T00:00:01Z <b>warm</b>\n")
    return path


def test_logs_are_searched_escaped_and_downloaded(log: Path, vera: Pages) -> None:
    content = vera.get("servings/Iris/logs/").content.decode()
    assert '<span class="log__time">2026-01-01T00:00:00Z</span> model loaded' in content
    assert "&lt;b&gt;warm" in content
    found = vera.get("servings/Iris/logs/?search=WARM&replica=r1-0-1").content.decode()
    assert "warm" in found
    assert "model loaded" not in found
    assert vera.get("servings/Iris/logs/r1-0-1/").getvalue() == log.read_bytes()
    assert vera.get("servings/Iris/logs/..%2fsecret/").status_code == 404


def test_a_new_log_line_changes_the_tag(log: Path, vera: Pages) -> None:
    tag = vera.get("servings/Iris/logs/", headers=HTMX)["HX-PTag"]
    with log.open("a") as file:
        file.write("2026-01-01T00:00:02Z more\n")
    assert b"more" in vera.get("servings/Iris/logs/", headers=HTMX | {"HX-PTag": tag}).content


def test_a_poll_of_the_logs_brings_the_header_along(log: Path, vera: Pages) -> None:
    assert b"hx-swap-oob" not in vera.get("servings/Iris/logs/").content
    assert b'hx-swap-oob="outerMorph"' in vera.get("servings/Iris/logs/", headers=HTMX).content


def test_calls_show_what_was_asked_and_answered(running: Serving, vera: Pages) -> None:
    assert b"No calls recorded" in vera.get("servings/Iris/calls/").content
    InferenceRecord.objects.create(
        request_id="abc",
        serving=running,
        revision=1,
        replica="r1-0-1",
        verb="predict",
        status=200,
        requested_at=timezone.now(),
        duration_us=1234,
        inputs="[[5.1]]",
        outputs='["setosa"]',
    )
    content = vera.get("servings/Iris/calls/").content.decode()
    for shown in ("[[5.1]]", "setosa", "1,234 µs", "abc"):
        assert shown in content
