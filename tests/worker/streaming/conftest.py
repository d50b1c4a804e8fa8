"""A serving that is asked through a topic, its replica a real model server, on Kafka and on folders."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from accounts.access import Access
from accounts.models import Project
from models_registry.models import ModelVersion
from serving import services
from serving.models import Replica, Revision, Serving, Topic
from serving.settings import Settings
from serving.states import ReplicaState
from serving.topics.broker import Broker, Message
from tests.broker import Kafka
from tests.server.conftest import serve
from tests.server.process import ServerProcess
from tests.waiting import eventually
from worker.streaming import replies
from worker.streaming.lane import Lane
from worker.streaming.wanted import streams
from worker.topics import installed

__all__ = ["serve"]

SCRIPT = """
import os, time

class Predict:
    def predict(self, inputs):
        if "boom" in inputs:
            raise ValueError("boom")
        if "die" in inputs:
            os._exit(1)
        if "slow" in inputs:
            time.sleep(2)
        return [each if isinstance(each, str) else sum(each) for each in inputs]
"""


@dataclass
class Scene:
    """A serving with topics `asked` and `answered`, and what a test does with them."""

    serving: Serving
    broker: Broker
    asked: str
    answered: str
    lanes: list[Lane] = field(default_factory=list)

    @property
    def dead(self) -> str:
        return f"{self.asked}-dead"

    def lane(self, at_once: int = 4) -> Lane:
        (stream,) = streams()
        self.lanes.append(Lane(stream, installed.broker(), at_once=at_once))
        return self.lanes[-1]

    def send(self, *documents: Any) -> None:
        values = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in documents]
        self.broker.publish(self.asked, values)

    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(each.value or b"") for each in self._all(self.answered)]

    def letters(self) -> list[dict[str, Any]]:
        return [json.loads(each.value or b"") for each in self._all(self.dead)]

    def _all(self, topic: str) -> list[Message]:
        return self.broker.peek(topic, most=10_000) if self.broker.describe([topic]) else []

    def until(self, find: Callable[[], Any], *, lanes: list[Lane] | None = None) -> Any:
        """Take turns until something has come about."""

        def look() -> Any:
            for lane in lanes or self.lanes:
                lane.step()
            return find()

        try:
            return eventually(look, seconds=90, what="what was waited for")
        except AssertionError as error:
            said = Topic.objects.filter(name=self.asked).values("consumed").first()
            offsets = self.broker.describe([self.asked, self.answered, self.dead])
            raise AssertionError(f"{error}; the input topic's row: {said}; the topics: {offsets}") from None

    def ids(self) -> list[Any]:
        return sorted(each["id"] for each in self.answers())

    def has_replica(self, address: str, name: str = "r1-0-1") -> Replica:
        return Replica.objects.create(
            serving=self.serving,
            name=name,
            revision=1,
            slot=Replica.objects.count(),
            attempt=1,
            state=ReplicaState.READY,
            address=address,
        )


@pytest.fixture(params=["folders", "kafka"])
def broker(request: pytest.FixtureRequest, settings, tmp_path: Path) -> Iterator[Broker]:
    settings.TOPIC_DIR = tmp_path / "topics"
    if request.param == "kafka":
        found: Kafka = request.getfixturevalue("kafka")
        settings.KAFKA_BROKERS = [found.address]
    made = installed.broker()
    yield made
    made.close()  # type: ignore[attr-defined]


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    export()
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py", topic="NONE")
    made, _ = services.create(access=owner, wanted=wanted)
    Serving.objects.filter(pk=made.pk).update(wanted_replicas=1)
    made.refresh_from_db()
    return made


@pytest.fixture
def scene(
    serving: Serving, broker: Broker, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """With topics and without a replica; failures are made up for quickly."""
    monkeypatch.setattr(replies, "FIRST_PAUSE_SECONDS", 0.02)
    name = tmp_path.name.replace("_", "-")[-80:]
    scene = Scene(serving, broker, f"{name}-{id(broker)}-in", f"{name}-{id(broker)}-out")
    for topic in (scene.asked, scene.answered):
        Topic.objects.create(project=project, name=topic, state=Topic.State.READY, partitions=2)
        broker.create(topic, partitions=2, replication=1)
    Revision.objects.update(input_topic=scene.asked, output_topic=scene.answered)
    yield scene
    for lane in scene.lanes:
        lane.stop()


@pytest.fixture
def server(serve: Callable[..., ServerProcess], scene: Scene) -> ServerProcess:
    """The replica of the serving."""
    found = serve(SCRIPT, MODEL_NAME="iris").ready()
    scene.has_replica(":".join(map(str, found.address)))
    return found
