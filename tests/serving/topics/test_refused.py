"""What topics are refused that would mean something else, or mix with what servings write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.access import Access
from serving import services
from serving.models import Serving, Topic
from serving.settings import Settings
from tests.serving.topics.asking import PROJECT, TOPICS

SCRIPT = "Models/iris/1/predictor.py"


@pytest.fixture
def serving(owner: Access, export: Callable[..., Any]) -> Serving:
    export()
    return services.create(access=owner, wanted=Settings(name="iris", script=SCRIPT))[0]


def add(api: APIClient, topic: str) -> Any:
    return api.post(f"{TOPICS}{topic}/messages/", {"messages": ["x"]}, format="json")


@pytest.mark.parametrize("name", ["None", "NONE", "none", "create", "CREATE", "Create"])
def test_a_word_of_a_servings_settings_is_no_name(name: str, api: APIClient) -> None:
    answer = api.post(TOPICS, {"name": name}, format="json")
    (said,) = answer.json()["error"]["fields"]["name"]
    assert answer.status_code == 400
    assert f"{name.upper()} in a serving's settings means" in said
    assert not Topic.objects.exists()


@pytest.mark.parametrize("name", ["none-yet", "created", "no.ne"])
def test_a_name_that_only_looks_like_such_a_word_is_taken(name: str, api: APIClient) -> None:
    assert api.post(TOPICS, {"name": name}, format="json").status_code == 201


def test_the_log_of_a_serving_takes_no_messages_of_others(
    serving: Serving, api: APIClient, folder: Path
) -> None:
    answer = add(api, serving.current.topic)
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "topic_is_log"
    for words in (f"{serving.current.topic} is the inference log of iris", "input topic"):
        assert words in error["message"]
    assert not folder.exists(), "nothing was kept"


@pytest.mark.parametrize("record_format", ["avro", "mlrun"])
def test_a_topic_of_records_is_closed_only_while_a_serving_logs_to_it(
    record_format: str, serving: Serving, api: APIClient, folder: Path
) -> None:
    subject = "mlrunrecord" if record_format == "mlrun" else "inferenceschema"
    api.post(TOPICS, {"name": "shared", "subject": subject}, format="json")
    assert add(api, "shared").status_code == 202
    edit = {"topic": "shared", "record_format": record_format}
    answer = api.patch(f"{PROJECT}servings/iris/", edit, format="json")
    assert answer.status_code == 200, answer.json()
    assert add(api, "shared").status_code == 409
    api.patch(f"{PROJECT}servings/iris/", {"topic": "NONE"}, format="json")
    assert add(api, "shared").status_code == 202


def test_the_log_of_a_canary_takes_no_messages_either(serving: Serving, api: APIClient, folder: Path) -> None:
    api.post(TOPICS, {"name": "trial", "subject": "inferenceschema"}, format="json")
    canary = {"percent": 10, "topic": "trial"}
    assert api.post(f"{PROJECT}servings/iris/canary/", canary, format="json").status_code < 300
    assert add(api, "trial").status_code == 409


def test_requests_answers_and_dead_letters_may_be_added(
    serving: Serving, api: APIClient, folder: Path
) -> None:
    for name in ("asked", "asked-dead", "answered"):
        api.post(TOPICS, {"name": name}, format="json")
    edit = {"input_topic": "asked", "output_topic": "answered"}
    answer = api.patch(f"{PROJECT}servings/iris/", edit, format="json")
    assert answer.status_code == 200, answer.json()
    for name in ("asked", "asked-dead", "answered"):
        assert add(api, name).status_code == 202, name
