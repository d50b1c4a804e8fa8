"""Topics as folders: the contract, and what files go through."""

import itertools
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from serving.models import TopicOffset
from serving.topics import folders, frames
from tests.worker.topics.contract import BrokerContract, read, values_of
from worker.topics.directory import DirectoryBroker

pytestmark = pytest.mark.django_db(transaction=True)


HOLDS = """
import os, sys, django, signal
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
sys.path[:0] = ["platform", "sdk"]
django.setup()
from pathlib import Path
from worker.topics.directory_reader import _Held
held = _Held.take(Path(sys.argv[1]), "records")
print("held" if held else "not held", flush=True)
signal.pause()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "topics"


@pytest.fixture
def broker(root: Path) -> DirectoryBroker:
    return DirectoryBroker(root)


class TestDirectoryBroker(BrokerContract):
    @pytest.fixture
    def another(self, root: Path) -> DirectoryBroker:
        return DirectoryBroker(root)

    @pytest.fixture
    def spread(self, root: Path) -> Callable[[str, int], None]:
        numbers = itertools.count()

        def write(topic: str, many: int) -> None:
            for _ in range(many):
                number = next(numbers)
                folders.append(root / topic, f"r{number % 4}", [f"{number}".encode()])

        return write


@pytest.fixture
def file(root: Path, broker: DirectoryBroker) -> Path:
    broker.create("calls", partitions=1, replication=1)
    return root / "calls" / "r1-0-1.000001.log"


def test_what_is_no_message_is_skipped_and_shown(broker: DirectoryBroker, file: Path) -> None:
    whole = frames.frame(b"whole")
    file.write_bytes(b"rubbish" + whole + frames.frame(b"cut off")[:-3] + whole + b"\xf0HY")
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    found = reader.poll(seconds=0, most=99)
    assert values_of(found) == [None, b"whole", None, b"whole"]
    assert found[0].skipped == b"rubbish"
    assert [message.offset for message in found] == [0, 7, 24, 40]
    reader.commit()
    with file.open("ab") as more:
        more.write(frames.frame(b"begun above")[3:])
    assert values_of(reader.poll(seconds=0, most=99)) == [b"begun above"]


def test_a_message_with_a_wrong_checksum_is_skipped(broker: DirectoryBroker, file: Path) -> None:
    broken = bytearray(frames.frame(b"broken"))
    broken[-1] ^= 1
    file.write_bytes(bytes(broken) + frames.frame(b"whole"))
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    found = reader.poll(seconds=0, most=99)
    assert values_of(found) == [None, b"whole"]
    assert found[0].skipped == broken


def test_what_was_cut_off_for_ever_is_given_up(broker: DirectoryBroker, file: Path) -> None:
    file.write_bytes(frames.frame(b"whole") + frames.frame(b"cut off")[:-3])
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    assert values_of(reader.poll(seconds=0, most=99)) == [b"whole"]
    reader.commit()
    assert reader.poll(seconds=0, most=99) == []
    assert reader.lag()["calls"] > 0
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    assert values_of(reader.poll(seconds=0, most=99)) == [None]
    reader.commit()
    assert reader.lag() == {"calls": 0}


def test_messages_larger_than_what_is_read_at_once_come_whole(broker: DirectoryBroker, file: Path) -> None:
    values = [secrets.token_bytes(size) for size in (10, 3_000_000, 10, 1_048_576, 2_000_000)]
    frames.append(file, values)
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    assert read(reader, len(values)) == values


def test_a_commit_that_is_rolled_back_is_none(broker: DirectoryBroker, file: Path) -> None:
    frames.append(file, [b"one", b"two"])
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    assert values_of(reader.poll(seconds=0, most=1)) == [b"one"]
    with transaction.atomic():
        reader.commit()
        transaction.set_rollback(True)
    assert values_of(reader.poll(seconds=0, most=9)) == [b"one", b"two"]


def test_a_file_that_another_reader_has_is_left_to_it(broker: DirectoryBroker, file: Path) -> None:
    frames.append(file, [b"one", b"two"])
    first, second = (broker.reader(group="records") for _ in range(2))
    for reader in (first, second):
        reader.subscribe(["calls"])
    assert values_of(first.poll(seconds=0, most=1)) == [b"one"]
    assert second.poll(seconds=0, most=9) == []
    first.commit()
    assert second.poll(seconds=0, most=9) == []
    assert values_of(first.poll(seconds=0, most=1)) in ([b"two"], [])
    first.close()
    assert values_of(second.poll(seconds=0, most=9)) == [b"two"]


def test_a_reader_that_is_killed_leaves_its_files_to_others(broker: DirectoryBroker, file: Path) -> None:
    frames.append(file, [b"one"])
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(file)], stdout=subprocess.PIPE)
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert reader.poll(seconds=0, most=9) == []
        other.kill()
    assert values_of(reader.poll(seconds=0, most=9)) == [b"one"]


def test_the_last_messages_of_a_long_file_are_peeked(broker: DirectoryBroker, file: Path) -> None:
    frames.append(file, [secrets.token_bytes(3_000_000), secrets.token_bytes(3_000_000), b"last"])
    assert [len(message.value or b"") for message in broker.peek("calls", most=9)] == [4, 3_000_000]


def test_a_file_goes_on_in_another_when_it_is_large(
    root: Path, broker: DirectoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "ROTATED_AT_BYTES", 1000)
    broker.create("calls", partitions=1, replication=1)
    (root / "calls" / "platform.old.log").write_bytes(b"")
    for number in range(30):
        broker.publish("calls", [b"%03d" % number + b"x" * 97])
    assert [path.name for path in folders.files(root / "calls")][:2] == [
        "platform.000001.log",
        "platform.000002.log",
    ]
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    assert len(read(reader, 30)) == 30


def test_a_removed_topic_leaves_no_offsets(broker: DirectoryBroker, file: Path) -> None:
    frames.append(file, [b"one"])
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    read(reader, 1)
    reader.commit()
    assert TopicOffset.objects.count() == 1
    broker.delete("calls")
    assert not TopicOffset.objects.exists()
    reader.commit()
    assert not TopicOffset.objects.exists()


def test_a_removed_topic_leaves_the_offsets_of_one_with_other_capitals(
    root: Path, broker: DirectoryBroker
) -> None:
    for name in ("calls", "Calls"):
        broker.create(name, partitions=1, replication=1)
        TopicOffset.objects.create(path=f"{name}/r1.000001.log", position=7)
    broker.delete("calls")
    assert [each.path for each in TopicOffset.objects.all()] == ["Calls/r1.000001.log"]
