"""A serving, its topic in a folder, and a consumer that takes one step at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.models import Project
from serving.models import Serving, Topic
from serving.topics import folders, schemas
from worker.consuming.consumer import Consumer
from worker.topics import installed

Write = Callable[..., None]


@pytest.fixture
def serving(create: Callable[..., Serving]) -> Serving:
    return create(topic="NONE")


@pytest.fixture
def register(project: Project) -> Callable[..., Topic]:
    """A topic that is ready, of records of our version unless told otherwise."""

    def make(name: str = "iris-inf0001", **about: object) -> Topic:
        columns = {"subject": schemas.SUBJECT, "schema_version": schemas.CURRENT} | about
        return Topic.objects.create(
            **{"project": project, "name": name, "state": Topic.State.READY} | columns  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def folder(tmp_path: Path, settings) -> Path:
    """Where topics are folders."""
    settings.TOPIC_DIR = tmp_path / "topics"
    settings.OUTBOX_DIR = tmp_path / "outbox"
    return settings.TOPIC_DIR


@pytest.fixture
def write(folder: Path) -> Write:
    """Add messages to a topic's folder, as replicas do."""

    def add(topic: Topic, *values: bytes, writer: str = "r1-0-1") -> None:
        folders.append(folder / topic.name, writer, values)

    return add


@pytest.fixture
def consume(folder: Path, serving: Serving) -> Callable[[], int]:
    """Store all there is, as a process that has just been started."""

    def run() -> int:
        consumer = Consumer(installed.broker(), lambda seconds: False)
        count = 0
        try:
            while found := consumer.step(seconds=0):
                count += found
        finally:
            consumer.close()
        return count

    return run
