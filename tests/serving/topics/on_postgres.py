"""A topic is not deleted while somebody begins to use it; run by `test_races.py`, on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import services
from serving.errors import ServingError
from serving.models import Topic
from serving.settings import Settings
from serving.topics import services as topics
from serving.topics.errors import NoSuchTopic, TopicInUse, TopicTaken
from serving.topics.wanted import WantedTopic
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
Act = Callable[[], object]
WAITERS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITERS)
        return bool(cursor.fetchone()[0])


def second_ends_as(first: Act, second: Act) -> Exception | None:
    """What the second one raised that came while the first one was under way."""
    done = threading.Event()

    def come() -> Exception | None:
        try:
            second()
        except ServingError as error:
            return error
        finally:
            done.set()
            connection.close()
        return None

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            coming = pool.submit(come)
            eventually(lambda: somebody_waits() or done.is_set(), seconds=10, what="the second one")
            assert not done.is_set(), "it did not wait"
        return coming.result(30)


@pytest.fixture
def topic(owner: Access, export: Callable[..., ModelVersion]) -> Topic:
    export()
    return topics.create(access=owner, wanted=WantedTopic("log", "inferenceschema"))[0]


def test_a_topic_that_a_serving_begins_to_use_is_not_deleted(owner: Access, topic: Topic) -> None:
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py", topic="log")
    use = lambda: services.create(access=owner, wanted=wanted)  # noqa: E731
    raised = second_ends_as(use, lambda: topics.delete(access=owner, topic=topic))
    assert isinstance(raised, TopicInUse)
    assert not Topic.objects.get().is_deleted


def test_a_topic_that_is_being_deleted_is_not_given(owner: Access, topic: Topic) -> None:
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py", topic="log")
    use = lambda: services.create(access=owner, wanted=wanted)  # noqa: E731
    raised = second_ends_as(lambda: topics.delete(access=owner, topic=topic), use)
    assert isinstance(raised, TopicTaken)


def test_a_topic_that_is_being_deleted_takes_no_messages(owner: Access, topic: Topic) -> None:
    late = lambda: topics.publish(access=owner, topic=topic, values=[b"late"])  # noqa: E731
    raised = second_ends_as(lambda: topics.delete(access=owner, topic=topic), late)
    assert isinstance(raised, NoSuchTopic)
