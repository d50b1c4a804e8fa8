"""What is in the way of a lane is waited for and said: topics, brokers, replicas that are not there."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import InterfaceError
from kafka import errors

from serving.models import Topic
from tests.server.process import ServerProcess
from tests.worker.streaming.conftest import Scene
from worker.streaming import counting, lane
from worker.topics import kafka_words

pytestmark = pytest.mark.django_db


def test_a_topic_that_is_gone_is_waited_for_and_named(
    scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "TROUBLE_SECONDS", 0.05)
    scene.broker.delete(scene.answered)
    scene.send({"id": "a", "inputs": [[1]]})
    scene.lane()
    scene.until(lambda: scene.answered in Topic.objects.get(name=scene.asked).consumed.get("problem", ""))
    scene.broker.create(scene.answered, partitions=1, replication=1)
    scene.until(scene.answers)
    assert set(scene.ids()) == {"a"}
    assert not scene.letters()


def test_requests_are_not_put_aside_into_a_topic_of_somebody_else(
    scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    monkeypatch.setattr(lane, "TROUBLE_SECONDS", 0.05)
    scene.broker.create(scene.dead, partitions=1, replication=1)
    scene.send(b"no JSON", {"id": "a", "inputs": [[1]]})
    scene.lane()
    if settings.KAFKA_BROKERS:
        asked = Topic.objects.filter(name=scene.asked)
        scene.until(lambda: "HOPYARD_KAFKA_EXISTING" in asked.get().consumed.get("problem", ""))
        assert not scene.letters()
        assert not scene.answers()
        settings.KAFKA_EXISTING = ["*-dead"]
    scene.until(lambda: scene.answers() and scene.letters())


def consumed(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = Topic.objects.get(name=scene.asked).consumed
    return found


def test_a_lag_that_is_not_known_ends_nothing_and_is_said_if_it_lasts(
    scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "EVERY_SECONDS", 0.05)
    scene.send({"id": "a", "inputs": [[1]]})
    going = scene.lane()
    scene.until(lambda: scene.answers() and consumed(scene).get("answered") == 1)
    session = going._session
    away = kafka_words.spoken(errors.KafkaTimeoutError("too late"), "look", "there")

    def refuse(reader: object) -> None:
        raise away

    monkeypatch.setattr(type(going._reader), "lag", refuse)
    scene.send({"id": "b", "inputs": [[1]]})
    scene.until(lambda: consumed(scene).get("answered") == 2)
    assert (going._session, consumed(scene)["problem"]) == (session, "")
    monkeypatch.setattr(lane, "LAG_UNKNOWN_SECONDS", 0.0)
    scene.until(lambda: "too late" in consumed(scene)["problem"])
    monkeypatch.setattr(type(going._reader), "lag", lambda reader: {})
    scene.until(lambda: "all partitions" in consumed(scene)["problem"])
    assert going._session is session
    monkeypatch.setattr(type(going._reader), "lag", lambda reader: {scene.asked: 7})
    scene.until(lambda: (consumed(scene)["lag"], consumed(scene)["problem"]) == (7, ""))


def test_that_nobody_is_ready_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "EVERY_SECONDS", 0.05)
    Topic.objects.filter(name=scene.asked).update(consumed={"lag": 3})
    scene.lane()
    scene.until(lambda: consumed(scene).get("problem") == "No replica is ready.")
    assert consumed(scene)["lag"] == 3


def test_a_commit_waits_while_the_topic_is_shared_out_anew(
    scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = scene.lane()
    scene.until(lambda: going._session)
    session, reader = going._session, going._reader
    assert reader is not None
    commit, refused = reader.commit, []

    def refuse_at_first() -> None:
        if len(refused) < 3:
            refused.append(1)
            raise kafka_words.spoken(errors.RebalanceInProgressError("anew"), "commit", "there")
        commit()

    monkeypatch.setattr(reader, "commit", refuse_at_first)
    scene.send({"id": "a", "inputs": [[1]]})
    scene.until(lambda: len(refused) == 3 and not session._pace.uncommitted)  # type: ignore[union-attr]
    assert going._session is session
    going.stop()
    scene.send({"id": "b", "inputs": [[1]]})
    scene.until(lambda: "b" in scene.ids(), lanes=[scene.lane()])
    assert set(scene.ids()) == {"a", "b"}


def test_a_lane_outlives_whatever_its_farewells_say(
    scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "TROUBLE_SECONDS", 0.05)

    def fail(*_: object) -> None:
        raise InterfaceError("connection already closed")

    going = scene.lane()
    with monkeypatch.context() as patch:
        patch.setattr(counting.Counts, "_write", fail)
        patch.setattr(lane, "close_old_connections", fail)
        for _ in range(3):
            going.step()
    scene.send({"id": "a", "inputs": [[1]]})
    scene.until(scene.answers)
