"""Folders of topics are kept within their age and size."""

import fcntl
import logging
import os
import time
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts.models import Project
from serving.models import Topic, TopicOffset
from worker.topics import trimming

MB = 1024 * 1024
HOUR = 3600


@pytest.fixture(autouse=True)
def root(settings: LazySettings, tmp_path: Path, project: Project) -> Path:
    settings.TOPIC_DIR, settings.OUTBOX_DIR = tmp_path / "topics", tmp_path / "outbox"
    settings.TOPIC_RETENTION_HOURS, settings.TOPIC_RETENTION_MB = 10, 3
    Topic.objects.create(project=project, name="calls", subject="inferenceschema", schema_version=5)
    Topic.objects.create(project=project, name="answers")
    return tmp_path


def file(root: Path, name: str, *, hours: float, size: int = 100, read: int | None = None) -> Path:
    """A file of so many bytes, last written so many hours ago, of which the group of records has read some."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - hours * HOUR
    os.utime(path, (then, then))
    if read is not None:
        TopicOffset.objects.create(path=name.partition("/")[2], position=read)
    return path


def left(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*.log")}


def test_old_files_go_once_they_are_read(root: Path) -> None:
    file(root, "topics/calls/r1.000001.log", hours=11, read=100)
    file(root, "topics/calls/r2.000001.log", hours=11, read=99)
    file(root, "topics/calls/r3.000001.log", hours=11)
    file(root, "topics/calls/r4.000001.log", hours=9, read=100)
    trimming.trim()
    assert left(root) == {"r2.000001.log", "r3.000001.log", "r4.000001.log"}
    assert set(TopicOffset.objects.values_list("path", flat=True)) == {
        "calls/r2.000001.log",
        "calls/r4.000001.log",
    }


def test_a_file_that_is_begun_anew_meanwhile_is_read_from_its_beginning(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(root, "topics/calls/r1.000001.log", hours=11, read=100)
    forget = trimming._forget_offsets

    def written_again() -> None:
        path.write_bytes(b"new")
        forget()

    monkeypatch.setattr(trimming, "_forget_offsets", written_again)
    trimming.trim()
    assert path.read_bytes() == b"new"
    assert not TopicOffset.objects.exists()


def test_capitals_tell_topics_apart(root: Path) -> None:
    file(root, "topics/calls/r1.000001.log", hours=11, read=100)
    TopicOffset.objects.create(group="another", path="Calls/r1.000001.log", position=7)
    trimming.trim()
    assert left(root) == set()


def test_what_nobody_reads_goes_when_it_is_old(root: Path) -> None:
    file(root, "topics/answers/r1.000001.log", hours=11)
    file(root, "topics/answers/r2.000001.log", hours=9)
    trimming.trim()
    assert left(root) == {"r2.000001.log"}


def test_what_one_of_several_groups_has_not_read_stays(root: Path) -> None:
    file(root, "topics/answers/r1.000001.log", hours=11, read=100)
    TopicOffset.objects.create(group="another", path="answers/r1.000001.log", position=7)
    trimming.trim()
    assert left(root) == {"r1.000001.log"}


def test_beyond_the_size_the_oldest_go_read_or_not(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    file(root, "topics/calls/r1.000001.log", hours=5, size=MB, read=MB)
    file(root, "topics/calls/r1.000002.log", hours=4, size=MB, read=10)
    file(root, "topics/calls/r1.000003.log", hours=3, size=MB)
    file(root, "topics/calls/r1.000004.log", hours=0, size=2 * MB)
    with caplog.at_level(logging.WARNING):
        trimming.trim()
    assert left(root) == {"r1.000003.log", "r1.000004.log"}
    (said,) = caplog.messages
    assert said.startswith(
        "The topic calls has more than 3 MB, and its oldest file r1.000002.log went with 1048566"
    )


def test_the_file_that_is_being_written_stays_whatever_its_size(root: Path) -> None:
    file(root, "topics/calls/r1.000001.log", hours=0.5, size=9 * MB)
    file(root, "topics/calls/r2.000001.log", hours=0.6, size=9 * MB)
    trimming.trim()
    assert left(root) == {"r1.000001.log", "r2.000001.log"}


def test_without_bounds_everything_stays(root: Path, settings: LazySettings) -> None:
    settings.TOPIC_RETENTION_HOURS = settings.TOPIC_RETENTION_MB = 0
    file(root, "topics/answers/r1.000001.log", hours=1000, size=4 * MB)
    file(root, "outbox/answers/r1.000001.log", hours=1000, size=4 * MB)
    trimming.trim()
    assert len(list(root.rglob("*.log"))) == 2


def test_what_waits_for_kafka_stays_as_long_as_there_is_room(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file(root, "outbox/calls/r1.000001.log", hours=100, size=2 * MB)
    trimming.trim()
    assert left(root) == {"r1.000001.log"}
    newer = file(root, "outbox/calls/r2.000001.log", hours=99, size=2 * MB)
    with newer.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        file(root, "outbox/calls/r3.000001.log", hours=98, size=2 * MB)
        with caplog.at_level(logging.WARNING):
            trimming.trim()
    assert left(root) == {"r2.000001.log"}
    assert [message.rpartition("that ")[2] for message in caplog.messages] == ["Kafka had not read"] * 2


def test_what_a_death_left_of_a_removed_topic_goes(root: Path) -> None:
    file(root, "topics/.gone-1234/r1.000001.log", hours=0)
    trimming.trim()
    assert left(root) == set()
