"""The page of a serving's calls, its charts, one call in full, and its exports."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from serving.models import InferenceRecord, Replica, Revision, Serving, Topic
from serving.records import queries, views
from serving.states import ReplicaState
from tests.pages.conftest import HTMX, Pages
from tests.pages.test_markup import Markup

CALLS = "servings/Iris/calls/"
Call = Callable[..., InferenceRecord]


@pytest.fixture
def call(running: Serving) -> Call:
    def make(**given: Any) -> InferenceRecord:
        values: dict[str, Any] = {
            "serving": running,
            "request_id": "abc",
            "revision": 1,
            "replica": "r1-0-1",
            "protocol": "v1",
            "verb": "predict",
            "status": 200,
            "requested_at": timezone.now(),
            "duration_us": 1234,
            "inputs": '{"instances": [[5.1]]}',
            "outputs": '{"predictions": ["setosa"]}',
        }
        return InferenceRecord.objects.create(**values | given)

    return make


def ids(content: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb'calls/(\d+)/"><time', content)]


def test_calls_are_filtered_without_script(call: Call, vera: Pages) -> None:
    good, bad = call(fields={"in": {"0": [5.1]}, "out": {}}), call(status=503)
    assert ids(vera.get(CALLS).content) == [bad.pk, good.pk]
    answer = vera.get(f"{CALLS}?status=5xx&period=1h")
    assert (answer.status_code, ids(answer.content)) == (200, [bad.pk])
    assert b'name="status" value="5xx"' in answer.content
    assert b'<option value="1h" selected>' in answer.content
    assert ids(vera.get(f"{CALLS}?where=in.0+>+5").content) == [good.pk]
    assert b"No call fits" in vera.get(f"{CALLS}?status=404").content


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("status=x", "is no status; write one such as 503"),
        ("where=in.0", "is no condition. Write a condition as"),
        ("from=x", "is no time; write it as"),
        ("from=2026-01-02&to=2026-01-01", "no call can lie between them"),
        ("period=9h", "is no period; choose one of"),
        ("colour=red", "There is no filter colour"),
        ("cursor=x", "This is no cursor"),
    ],
)
def test_a_wrong_filter_gets_a_sentence_with_and_without_script(
    said: str, sentence: str, call: Call, vera: Pages
) -> None:
    call()
    answer = vera.get(f"{CALLS}?{said}")
    assert answer.status_code == (200 if "cursor" in said else 400)
    assert sentence in answer.content.decode()
    assert ids(answer.content) == []
    part = vera.get(f"{CALLS}?{said}", headers=HTMX)
    assert (part.status_code, b"<html" in part.content) == (200, False)
    assert sentence in part.content.decode()


def test_script_gets_the_found_calls_alone_and_a_short_address(call: Call, vera: Pages) -> None:
    call()
    answer = vera.get(f"{CALLS}?status=&where=&period=1h", headers=HTMX)
    assert answer.content.lstrip().startswith(b'<section id="found"')
    assert answer["HX-Replace-Url"] == "/projects/garden/servings/Iris/calls/?period=1h"


def test_older_calls_are_a_link_away(call: Call, vera: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PER_PAGE", 2)
    numbers = [call().pk for _ in range(5)][::-1]
    seen, address = [], f"{CALLS}?status=200"
    for _ in range(3):
        content = vera.get(address).content
        seen.append(ids(content))
        older = re.search(rb'rel="next" href="([^"]+)"', content)
        address = CALLS + (older[1].decode().replace("&amp;", "&") if older else "")
    assert seen == [numbers[:2], numbers[2:4], numbers[4:]]
    assert older is None


def test_a_long_search_says_how_far_it_came_and_goes_on(
    call: Call, vera: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_STEP", 1)
    monkeypatch.setattr(views, "SECONDS_OF_SEARCH", 0)
    last = call(fields={"in": {}, "out": {"": [9]}})
    for _ in range(3):
        call(fields={"in": {}, "out": {"": [1]}})
    found = vera.get(f"{CALLS}?where=out+>+5").content.decode()
    assert "were looked at so far" in found
    assert 'hx-trigger="load"' in found
    assert "Search further" in found
    whole = vera.get(f"{CALLS}?where=out+>+5&search=on", headers=HTMX).content
    assert ids(whole) == [last.pk]
    assert b"looked at" not in whole


def test_charts_are_a_table_for_those_without_script(call: Call, vera: Pages) -> None:
    call()
    call(status=500, duration_us=9000)
    assert b'class="charts" hx-get="/projects/garden/servings/Iris/calls/charts/?' in vera.get(CALLS).content
    page = vera.get(f"{CALLS}charts/?period=1h")
    assert page.status_code == 200
    assert b"<html" not in vera.get(f"{CALLS}charts/", headers=HTMX).content
    content = page.content.decode()
    assert re.findall(r'data-label="5xx" data-value="(\d+)"', content).count("1") == 1
    assert "<b>2</b> calls" in content
    wrong = vera.get(f"{CALLS}charts/?status=x")
    assert (wrong.status_code, b"is no status" in wrong.content) == (400, True)


def test_a_search_the_database_ended_is_told_of(
    call: Call, vera: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any, **__: Any) -> None:
        raise queries.TooSlow("The search was ended after 10 s; choose a shorter time or fewer conditions.")

    monkeypatch.setattr(queries, "page", ended)
    answer = vera.get(CALLS)
    assert (answer.status_code, b"The search was ended after 10 s" in answer.content) == (200, True)
    assert vera.get(f"{CALLS}export/").status_code == 503


def test_a_call_is_shown_in_full(call: Call, vera: Pages) -> None:
    made = call(
        queue_us=100,
        preprocess_us=34,
        predict_us=1000,
        key_id="key1",
        topic="Iris-inf0001",
        sampling_percent=10,
    )
    content = vera.get(f"{CALLS}{made.pk}/").content.decode()
    for shown in (
        "setosa",
        "abc",
        "1,234 µs",
        "Waiting for its turn",
        "10 % of calls were recorded",
        "?replica=r1-0-1",
        "?key=key1",
        "#revision-1",
        "?request_id=abc",
        "/v1/models/Iris:predict",
        "&quot;instances&quot;",
        "Ask it now",
    ):
        assert shown in content
    widths = [int(width) for width in re.findall(r'<rect [^>]*width="(\d+)"', content)]
    assert (sum(widths), len(widths)) == (1000, 4)
    assert Markup(content).faults == []


def test_what_was_not_kept_is_told_by_size_and_digest(call: Call, vera: Pages) -> None:
    made = call(inputs="", inputs_bytes=52_428_800, inputs_sha256="a" * 64, outputs="", outputs_bytes=7)
    content = vera.get(f"{CALLS}{made.pk}/").content.decode()
    assert f"52,428,800 bytes, sha256 <code>{'a' * 64}</code>" in content
    assert "Not kept: 7 bytes." in content
    assert "curl" not in content
    assert "Only the whole time was recorded" in content


def test_what_callers_sent_is_text_whatever_it_says(call: Call, vera: Pages) -> None:
    nasty = "</pre><script>alert(1)</script>"
    made = call(
        inputs=nasty, outputs=nasty, error=nasty, request_id=nasty, verb=nasty, replica=nasty, key_id="<b>"
    )
    for address in (CALLS, f"{CALLS}{made.pk}/"):
        assert b"<script>alert" not in vera.get(address).content


def test_a_call_of_another_serving_or_none_is_not_found(call: Call, running: Serving, vera: Pages) -> None:
    other = Serving.objects.create(project=running.project, name="Other", port=1)
    theirs = call(serving=other)
    assert vera.get(f"{CALLS}{theirs.pk}/").status_code == 404
    assert vera.get(f"{CALLS}{10**25}/").status_code == 404


def test_redaction_is_told_beside_a_call(call: Call, vera: Pages) -> None:
    Revision.objects.update(redaction=[{"field": "instances.*", "in": "inputs", "action": "mask"}])
    assert "has rules of redaction" in vera.get(f"{CALLS}{call().pk}/").content.decode()


def test_counts_of_the_log_are_those_of_living_replicas_and_of_the_topic(
    running: Serving, vera: Pages
) -> None:
    assert b"but not recorded" not in vera.get(CALLS).content
    counts = {"sent": 1200, "spilled": 5, "dropped": 2, "waiting": 7}
    Replica.objects.update(log_counts=counts)
    Replica.objects.create(
        serving=running,
        name="r1-1-1",
        revision=1,
        slot=1,
        attempt=1,
        state=ReplicaState.READY,
        log_counts=counts,
    )
    Replica.objects.create(
        serving=running,
        name="r1-2-1",
        revision=1,
        slot=2,
        attempt=1,
        state=ReplicaState.EXITED,
        log_counts=counts,
    )
    Topic.objects.update_or_create(
        name=running.current.topic,
        defaults={
            "project": running.project,
            "consumed": {"stored": 1190, "skipped": 3, "lag": 10},
            "problem": "No broker answers.",
        },
    )
    content = vera.get(CALLS).content.decode()
    for shown in (
        "2,400",
        "1,190",
        "4 calls of the replicas",
        "3 messages in the topic",
        "is away: No broker answers.",
    ):
        assert shown in content


def test_how_the_requests_of_its_input_topic_go_is_shown(running: Serving, vera: Pages) -> None:
    assert b"Requests from" not in vera.get(CALLS).content
    said = {"answered": 1234, "failed": 5, "dead": 6, "lag": 2048, "problem": "No replica is ready."}
    Topic.objects.create(project=running.project, name="asked", consumed=said)
    Topic.objects.create(project=running.project, name="asked-dead")
    Revision.objects.update(input_topic="asked", output_topic="answered")
    content = vera.get(CALLS).content.decode()
    for shown in ("1,234", "2.0\xa0KB", "The requests in asked wait: No replica is ready."):
        assert shown in content
    for name in ("asked", "asked-dead", "answered"):
        assert f'/topics/{name}/">{name}</a>' in content


def test_an_export_is_downloaded_and_a_wrong_one_explained(call: Call, vera: Pages) -> None:
    call(outputs="=1+1")
    answer = vera.get(f"{CALLS}export/?format=csv&status=200")
    assert answer["Content-Type"].startswith("text/csv")
    assert b",'=1+1," in b"".join(answer.streaming_content)
    wrong = vera.get(f"{CALLS}export/?format=xls")
    assert (wrong.status_code, b"There is no such format" in wrong.content) == (400, True)


def test_the_pages_keep_to_the_policy(call: Call, vera: Pages) -> None:
    made = call()
    titles = set()
    for address in (CALLS, f"{CALLS}charts/", f"{CALLS}{made.pk}/", f"{CALLS}?status=x"):
        content = vera.get(address).content.decode()
        markup = Markup(content)
        assert (markup.faults, markup.headings) == ([], 1)
        assert len(markup.ids) == len(set(markup.ids))
        assert {each.get("id") for each in markup.inputs} <= markup.labelled
        titles.add(re.search(r"<title>(.*?)</title>", content)[1])  # type: ignore[index]
    assert len(titles) == 3
