"""Messages are added to topics over REST: in order, all of them or none."""

import base64
import json
from pathlib import Path

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from accounts.access import Access
from serving.models import Topic
from serving.topics import frames
from serving.topics import services as topics
from serving.topics.errors import NoSuchTopic
from tests.serving.topics.asking import TOPICS, post


def published(folder: Path) -> list[bytes | None]:
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))
    return [each.value for each in frames.read(data, 0, is_end=True)]


def test_messages_are_added_in_order_as_text_or_bytes(api: APIClient, folder: Path) -> None:
    post(api, name="requests")
    url = f"{TOPICS}requests/messages/"
    assert post(api, url, 202, messages=["one", "", "zw\u00f6lf \n"]) == {"published": 3}
    encoded = base64.b64encode(b"\xf0HY\x01\x00").decode()
    assert post(api, url, 202, messages=[encoded], encoding="base64") == {"published": 1}
    assert published(folder / "requests") == [b"one", b"", "zw\u00f6lf \n".encode(), b"\xf0HY\x01\x00"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": []}, "1 to 1000 messages"),
        ({"messages": ["x"] * 1_001}, "no more than 1000"),
        ({"messages": ["x" * 1_000_001]}, "Message 1 has 1000001 bytes; the most is 1000000."),
        ({"messages": ["b2s=", "!"], "encoding": "base64"}, "Message 2 is no base64."),
        ({"messages": ["\ud800"]}, ""),
        ({"messages": [{"a": 1}]}, ""),
        ({"messages": "x"}, "list"),
        ({}, "required"),
        ({"messages": ["x"], "encoding": "latin"}, ""),
    ],
)
def test_messages_that_cannot_be_kept_are_refused_and_none_is_kept(
    body: dict[str, object], said: str, api: APIClient, folder: Path
) -> None:
    post(api, name="requests")
    answer = api.post(f"{TOPICS}requests/messages/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert said in answer.json()["error"]["message"]
    assert not (folder / "requests").exists()


def test_a_topic_that_is_deleted_meanwhile_takes_no_messages(
    owner: Access, api: APIClient, folder: Path
) -> None:
    post(api, name="requests")
    topic = Topic.objects.get()
    api.delete(f"{TOPICS}requests/")
    with pytest.raises(NoSuchTopic, match="requests has been deleted"):
        topics.publish(access=owner, topic=topic, values=[b"late"])
    assert not folder.exists()


def test_messages_that_cannot_be_written_may_be_sent_again(api: APIClient, folder: Path) -> None:
    post(api, name="requests")
    folder.write_text("in the way")
    refusal = post(api, f"{TOPICS}requests/messages/", 503, messages=["x"])
    assert refusal["error"]["code"] == "messages_not_kept"
    assert "send them again" in refusal["error"]["message"]
    folder.unlink()
    post(api, f"{TOPICS}requests/messages/", 202, messages=["x"])


def test_messages_wait_in_the_outbox_where_there_is_kafka(
    api: APIClient, settings: LazySettings, tmp_path: Path
) -> None:
    settings.KAFKA_BROKERS, settings.OUTBOX_DIR = ["127.0.0.1:1"], tmp_path
    post(api, name="requests")
    post(api, f"{TOPICS}requests/messages/", 202, messages=["x"])
    assert published(tmp_path / "requests") == [b"x"]
