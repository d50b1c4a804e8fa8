"""Answers and dead letters of a stream go to topics of its own project only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.models import Project
from serving.models import DeadLetter, Serving, Topic
from serving.topics.broker import BrokerError, Message
from worker.streaming.hiding import Shown
from worker.streaming.publishing import Letter, Publisher
from worker.streaming.wanted import Stream
from worker.topics.directory import DirectoryBroker


@pytest.fixture
def publisher(create: Callable[..., Serving], tmp_path: Path) -> Publisher:
    serving = create(topic="NONE")
    stream = Stream(serving_id=serving.pk, serving="iris", group="iris", input_topic="asked", output_topic="")
    return Publisher(DirectoryBroker(tmp_path), stream)


def test_the_topic_of_dead_letters_is_the_projects_as_the_input_topic_is(publisher: Publisher) -> None:
    project = Serving.objects.get().project
    Topic.objects.create(project=project, name="asked")
    publisher.prepare()
    assert Topic.objects.get(name="asked-dead").project == project


def test_a_reason_that_no_database_takes_is_kept_all_the_same(publisher: Publisher) -> None:
    Topic.objects.create(project=Serving.objects.get().project, name="asked")
    publisher.prepare()
    for _ in range(2):
        publisher.put_aside([Letter(Message("asked", "0", 0, b"{}"), "Bad", "half \ud800 and \0")])
    assert DeadLetter.objects.get().reason == "half ? and \ufffd"


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_topic_that_has_the_name_now_and_is_somebody_elses_gets_nothing(
    publisher: Publisher, is_deleted: bool
) -> None:
    elsewhere, _ = Project.objects.get_or_create(name="elsewhere")
    whose = Serving.objects.get().project if is_deleted else elsewhere
    Topic.objects.create(project=whose, name="asked", is_deleted=is_deleted)
    with pytest.raises(BrokerError, match="no topic asked any more"):
        publisher.prepare()
    publisher._keep(
        [Letter(Message("asked", "0", 0, b"{}"), "Bad", "It is bad.")], [Shown(b"{}", "It is bad.")]
    )
    assert not DeadLetter.objects.exists()
