"""Topics are brought to what is wanted, and servings wait for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts.access import Access
from accounts.models import Project
from serving import services
from serving.models import Replica, Serving, Topic
from serving.states import ReplicaState, Status
from serving.topics.broker import Broker, BrokerAway
from tests.broker import Kafka
from tests.ports import free_port
from tests.waiting import eventually
from tests.worker.conftest import take_steps
from worker import preparation
from worker.deployers.base import Deployer
from worker.topics import installed, making
from worker.topics.kafka import KafkaBroker

State = Topic.State


@pytest.fixture
def place(settings: LazySettings, tmp_path: Path) -> Path:
    settings.TOPIC_DIR, settings.OUTBOX_DIR = tmp_path / "topics", tmp_path / "outbox"
    return tmp_path


@pytest.fixture
def use(settings: LazySettings, db: None, kafka: Kafka) -> Iterator[Callable[..., Topic]]:
    """Kafka, and a topic in the database alone."""
    settings.KAFKA_BROKERS = [kafka.address]

    def make(project: Project, **columns: object) -> Topic:
        return Topic.objects.create(project=project, name=kafka.topic_name("calls"), **columns)

    yield make
    broker = installed.broker()
    for topic in Topic.objects.all():
        broker.delete(topic.name)
    broker.close()


def now(topic: Topic) -> Topic:
    topic.refresh_from_db()
    return topic


def test_a_topic_is_made_as_it_was_asked_for(use: Callable[..., Topic], project: Project) -> None:
    topic = use(project, partitions=3)
    making.make(topic.pk)
    assert (now(topic).state, topic.problem) == (State.READY, "")
    broker = installed.broker()
    assert len(broker.describe([topic.name])[topic.name].partitions) == 3
    broker.close()
    making.make(topic.pk)
    making.make(topic.pk + 1)


def test_what_the_broker_refuses_is_said_and_tried_again(use: Callable[..., Topic], project: Project) -> None:
    topic = use(project, replication=3)
    making.make_all()
    assert now(topic).state == State.FAILED
    assert topic.problem.endswith("it has 1 broker. Ask for at most 1.")
    Topic.objects.filter(pk=topic.pk).update(replication=1)
    making.make_all()
    assert (now(topic).state, topic.problem) == (State.READY, "")


def test_while_nobody_is_there_topics_wait(settings: LazySettings, project: Project) -> None:
    settings.KAFKA_BROKERS = [address := f"127.0.0.1:{free_port()}"]
    waiting = [Topic.objects.create(project=project, name=f"calls-{number}") for number in range(3)]
    going = Topic.objects.create(project=project, name="going", state=State.READY, is_deleted=True)
    making.make_all()
    for topic in (*waiting, now(going)):
        assert address in now(topic).problem
    assert {topic.state for topic in waiting} == {State.WAITING}
    assert (going.state, going.is_deleted) == (State.READY, True)


def test_a_deleted_topic_goes_from_the_broker_and_then_from_here(
    use: Callable[..., Topic], project: Project, place: Path
) -> None:
    topic = use(project)
    making.make(topic.pk)
    unsent = place / "outbox" / topic.name
    unsent.mkdir(parents=True)
    Topic.objects.filter(pk=topic.pk).update(is_deleted=True)
    making.make(topic.pk)
    assert not Topic.objects.filter(pk=topic.pk).exists()
    assert not unsent.exists()
    broker = installed.broker()
    assert broker.describe([topic.name]) == {}
    broker.close()


@pytest.fixture
def broker(use: Callable[..., Topic]) -> Iterator[Broker]:
    found = installed.broker()
    yield found
    found.close()


@pytest.fixture
def foreign(use: Callable[..., Topic], project: Project, broker: Broker) -> Iterator[Topic]:
    """Registered here, and made by somebody else before, with a message."""
    topic = use(project)
    broker.create(topic.name, partitions=1, replication=1)
    broker.publish(topic.name, [b"secret"])
    yield topic
    broker.delete(topic.name)


def removed(topic: Topic) -> bool:
    Topic.objects.filter(pk=topic.pk).update(is_deleted=True)
    making.make(topic.pk)
    return not Topic.objects.filter(pk=topic.pk).exists()


def test_a_topic_that_somebody_else_made_in_kafka_is_refused_and_stays(
    foreign: Topic, broker: Broker, settings: LazySettings
) -> None:
    settings.KAFKA_EXISTING = ["sales.*"]
    making.make(foreign.pk)
    assert now(foreign).state == State.FAILED
    assert foreign.problem == making.NOT_OURS.format(foreign.name)
    assert "HOPYARD_KAFKA_EXISTING" in foreign.problem
    assert removed(foreign)
    assert [each.value for each in broker.peek(foreign.name, most=5)] == [b"secret"]


def test_a_topic_that_the_administrator_names_is_taken_and_stays_when_it_is_deleted_here(
    foreign: Topic, broker: Broker, settings: LazySettings
) -> None:
    making.make(foreign.pk)
    settings.KAFKA_EXISTING = ["sales.*", f"{foreign.name[:-3]}*"]
    making.make_all()
    assert (now(foreign).state, foreign.problem, foreign.stays) == (State.READY, "", True)
    assert removed(foreign)
    assert [each.value for each in broker.peek(foreign.name, most=5)] == [b"secret"]


def test_a_topic_whose_making_was_interrupted_is_ours_still(
    use: Callable[..., Topic], project: Project, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = use(project)
    create = KafkaBroker.create

    def interrupted(self: KafkaBroker, name: str, *, partitions: int, replication: int) -> None:
        create(self, name, partitions=partitions, replication=replication)
        raise BrokerAway("BrokerAway", "It left before it answered.")

    monkeypatch.setattr(KafkaBroker, "create", interrupted)
    making.make(topic.pk)
    assert now(topic).state == State.WAITING
    monkeypatch.undo()
    making.make(topic.pk)
    assert (now(topic).state, topic.stays) == (State.READY, False)
    assert removed(topic)
    assert broker.describe([topic.name]) == {}


def test_what_kafka_refused_to_make_is_not_taken_for_ours_later(
    use: Callable[..., Topic], project: Project, broker: Broker
) -> None:
    topic = use(project, replication=3)
    making.make(topic.pk)
    broker.create(topic.name, partitions=1, replication=1)  # somebody else
    making.make(topic.pk)
    assert now(topic).problem == making.NOT_OURS.format(topic.name)
    assert removed(topic)
    assert topic.name in broker.describe([topic.name])
    broker.delete(topic.name)


def test_a_topic_goes_when_the_last_replica_that_writes_to_it_has_ended(
    owner: Access, place: Path, create: Callable[..., Serving]
) -> None:
    serving = create()
    name = serving.current.topic
    making.make_all()
    assert (place / "topics" / name).is_dir()
    replica = Replica.objects.create(
        serving=serving, name="r1-0-1", revision=1, slot=0, attempt=1, state=ReplicaState.STOPPING
    )
    services.delete(access=owner, serving=serving, with_topic=True)
    making.make_all()
    assert Topic.objects.get(name=name).problem == making.STILL_WRITTEN
    assert (place / "topics" / name).is_dir()
    Replica.objects.filter(pk=replica.pk).update(state=ReplicaState.EXITED)
    making.make_all()
    assert not Topic.objects.filter(name=name).exists()
    assert not (place / "topics" / name).exists()


def test_a_serving_waits_for_its_topic(create: Callable[..., Serving], owner: Access, place: Path) -> None:
    serving = create()
    Serving.objects.filter(pk=serving.pk).update(wanted_replicas=1)
    serving.refresh_from_db()
    topic = Topic.objects.get(name=serving.current.topic)
    asked = topic.name

    Topic.objects.update(state=State.WAITING)

    def said() -> preparation.Preparation:
        return preparation.of_topics(serving.current)

    assert said().sentence == f"Waiting for the topic {asked}"
    Topic.objects.update(problem="Kafka cannot be reached at kafka:9092.")
    assert said().sentence == f"Waiting for the topic {asked}: Kafka cannot be reached at kafka:9092."
    Topic.objects.update(state=State.FAILED, problem="It has 1 broker.")
    failure = said().failure
    assert failure is not None
    assert (failure.code, failure.reason, failure.is_final) == (
        "TopicFailed",
        f"The topic {asked} cannot be made. It has 1 broker.",
        True,
    )
    Topic.objects.update(state=State.READY, problem="Kafka cannot be reached at kafka:9092.")
    assert said().is_done


def test_a_serving_waits_for_the_topics_it_is_asked_through(
    create: Callable[..., Serving], owner: Access, place: Path
) -> None:
    serving = create(topic="NONE")
    revision = serving.current
    revision.input_topic, revision.output_topic = "questions", "answers"
    for name in ("questions", "answers"):
        Topic.objects.create(project=serving.project, name=name)
        assert preparation.of_topics(revision).sentence == f"Waiting for the topic {name}"
        making.make_all()
    assert preparation.of_topics(revision).is_done


def test_a_started_serving_runs_once_the_broker_is_there(
    create: Callable[..., Serving],
    owner: Access,
    settings: LazySettings,
    deployer: Deployer,
    settle: Callable[..., Serving],
    place: Path,
) -> None:
    settings.KAFKA_BROKERS = [f"127.0.0.1:{free_port()}"]
    serving = create()
    services.start(access=owner, serving=serving)

    def is_waiting() -> bool:
        take_steps(serving.pk, deployer)
        serving.refresh_from_db()
        return serving.preparing.startswith(f"Waiting for the topic {serving.current.topic}: Kafka cannot")

    eventually(is_waiting)
    assert not serving.replicas.exists()
    settings.KAFKA_BROKERS = []
    assert settle().status == Status.RUNNING
