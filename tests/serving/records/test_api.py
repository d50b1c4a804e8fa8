"""Inference records over REST: found, paged, drawn, exported, and every way to get it wrong."""

import json
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope
from serving.models import InferenceRecord, Serving
from serving.records import filters, words
from tests.conftest import People

Call = Callable[..., InferenceRecord]
RECORDS = "/api/projects/garden/servings/iris/inference-records/"


def test_calls_come_in_pages_by_the_address_of_the_next(api: APIClient, call: Call, serving: Serving) -> None:
    ids = [call(status=500 if number % 2 else 200).pk for number in range(6)]
    page = api.get(RECORDS, {"status": "200", "page_size": "2"}).json()
    assert page.keys() == {"next", "searched_to", "items"}
    assert [each["id"] for each in page["items"]] == [ids[0], ids[2]]
    last = api.get(page["next"]).json()
    assert ([each["id"] for each in last["items"]], last["next"]) == ([ids[4]], None)


def test_a_record_tells_everything_but_how_it_is_indexed(
    api: APIClient, call: Call, serving: Serving
) -> None:
    made = call(inputs="[1]", predict_us=7, key_id="k1", fields={"in": {"": [1]}, "out": {}})
    shown = api.get(f"{RECORDS}{made.pk}/").json()
    assert (shown["id"], shown["inputs"], shown["predict_us"], shown["key_id"]) == (made.pk, "[1]", 7, "k1")
    assert shown["queue_us"] is None
    assert "fields" not in shown
    assert api.get(RECORDS).json()["items"] == [shown]


def test_a_record_that_is_not_there_is_not_found(api: APIClient, serving: Serving) -> None:
    for number in ("1", "9" * 30):
        answer = api.get(f"{RECORDS}{number}/")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_chart_counts_what_the_list_shows(api: APIClient, call: Call, serving: Serving) -> None:
    for status in (200, 200, 503):
        call(status=status, duration_us=2000)
    chart = api.get(f"{RECORDS}chart/", {"where": ""}).json()
    assert (chart["calls"], chart["whole"]["classes"]) == (3, {"2xx": 2, "5xx": 1})
    assert chart["whole"]["latency_ms"]["p50"] == pytest.approx(2, rel=0.1)
    assert sum(piece["calls"] for piece in chart["pieces"]) == 3
    assert api.get(f"{RECORDS}chart/", {"status": "404"}).json()["whole"] is None


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_an_export_is_a_file_of_the_selection(
    name: str, api: APIClient, call: Call, serving: Serving
) -> None:
    call(status=404)
    call()
    answer = api.get(f"{RECORDS}export/", {"format": name, "status": "404"})
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == f'attachment; filename="iris-calls.{name}"'
    content = b"".join(answer.streaming_content)
    if name == "jsonl":
        assert [json.loads(line)["status"] for line in content.splitlines()] == [404]
    assert content


WRONG = [
    ("", {"status": "bad"}, "status"),
    ("", {"where": "in.x ="}, "where"),
    ("", {"where": "in.x > 3 or in.x < 1"}, "where"),
    ("chart/", {"where": "in.x > 3 and"}, "where"),
    ("export/", {"where": "in.x = 'a"}, "where"),
    ("", {"cursor": "x"}, "cursor"),
    ("", {"page_size": "0"}, "page_size"),
    ("", {"page_size": "²"}, "page_size"),
    ("", {"stauts": "500"}, "stauts"),
    ("", {"page": "2"}, "page"),
    ("chart/", {"from": "tomorrow"}, "from"),
    ("chart/", {"cursor": "1-1"}, "cursor"),
    ("export/", {"format": "xls"}, "format"),
    ("export/", {"most": "0"}, "most"),
    ("export/", {"most": "1000001"}, "most"),
    ("export/", {"format": "parquet", "revision": "x"}, "revision"),
]


@pytest.mark.parametrize(("where", "said", "field"), WRONG)
def test_what_is_wrong_is_said_at_its_name(
    where: str, said: dict[str, str], field: str, api: APIClient, serving: Serving
) -> None:
    answer = api.get(f"{RECORDS}{where}", said)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid")
    assert list(error["fields"]) == [field]
    assert error["message"].startswith(f"{field}: ")


def test_those_who_may_read_the_project_read_its_calls_and_nobody_else(
    people: People, key_of: Callable[..., tuple[object, str]], call: Call, serving: Serving
) -> None:
    number = call(inputs="secret").pk
    addresses = [RECORDS, f"{RECORDS}{number}/", f"{RECORDS}chart/", f"{RECORDS}export/?format=jsonl"]

    def statuses(header: str) -> set[int]:
        return {APIClient(headers={"authorization": header}).get(each).status_code for each in addresses}

    assert statuses(f"ApiKey {key_of(people.vera, scopes=(Scope.READ,))[1]}") == {200}
    assert statuses(f"ApiKey {key_of(people.bob, scopes=(Scope.PREDICT,))[1]}") == {403}
    assert statuses("ApiKey nonsense") == {401}
    stranger = APIClient()
    stranger.force_login(people.charlie)
    assert {stranger.get(each).status_code for each in addresses} == {404}


def test_every_filter_has_a_description() -> None:
    assert words.DESCRIPTIONS.keys() == words.READERS.keys() == filters.NAMES.keys()
