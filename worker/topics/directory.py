"""Topics as folders on this machine: `<root>/<topic>/<writer>.<number>.log`, each file of which is a partition."""

import contextlib
import re
import secrets
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from serving.topics import folders, frames
from serving.topics.broker import BrokerError, Described, Message, Partition
from worker.topics import offsets
from worker.topics.directory_reader import DirectoryReader

WRITER = "platform"
GONE = ".gone-"
NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
PEEKED_BYTES = 4 * 1024 * 1024


class DirectoryBroker:
    """What `serving.topics.broker.Broker` says. Partitions are as many as there are writers, whatever was asked for;
    keys are not kept, and offsets are bytes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, name: str, *, partitions: int, replication: int) -> None:
        folder = self._folder(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError("TopicNotMade", f"The folder of {name} cannot be made: {error}.") from error

    def describe(self, names: Collection[str]) -> dict[str, Described]:
        found = {name: self._folder(name) for name in names}
        return {name: _described(name, folder) for name, folder in found.items() if folder.is_dir()}

    def delete(self, name: str) -> None:
        folder = self._folder(name)
        going = self._root / f"{GONE}{secrets.token_hex(8)}"
        with contextlib.suppress(FileNotFoundError):
            folder.rename(going)  # at once, whoever is reading or writing
        shutil.rmtree(going, ignore_errors=True)
        offsets.forget_topic(name)

    def publish(self, name: str, values: Sequence[bytes], *, keys: Sequence[bytes | None] = ()) -> None:
        folder = self._folder(name)
        if not folder.is_dir():
            raise BrokerError("NoSuchTopic", f"There is no topic {name}.")
        if any(len(value) > frames.MOST_BYTES for value in values):
            most = frames.MOST_BYTES // 1024 // 1024
            raise BrokerError("MessageTooLarge", f"A message for {name} is larger than {most} MB.")
        try:
            folders.append(folder, WRITER, values)
        except OSError as error:
            raise BrokerError(
                "MessagesNotKept", f"The messages for {name} cannot be kept: {error}."
            ) from error

    def reader(self, *, group: str) -> DirectoryReader:
        return DirectoryReader(self._root, group)

    def peek(self, name: str, *, most: int) -> list[Message]:
        found: list[Message] = []
        for path in sorted(folders.files(self._folder(name)), key=_age):
            found += _last(name, path)[: most - len(found)]
            if len(found) >= most:
                break
        return found

    def close(self) -> None:
        """Nothing is kept open."""

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name) or name.strip(".") == "":
            allowed = "letters, digits, dots, hyphens and underscores, at most 249 of them"
            raise BrokerError("InvalidTopicName", f"{name[:60]!r} is no name for a topic: use {allowed}.")
        return self._root / name


def _described(name: str, folder: Path) -> Described:
    sizes = [(path, _size(path)) for path in folders.files(folder)]
    return Described(name, tuple(Partition(path.name, 0, size, size) for path, size in sizes))


def _size(path: Path) -> int:
    """0 for one that has just been removed."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _age(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return -path.stat().st_mtime
    return 0.0


def _last(topic: str, path: Path) -> list[Message]:
    """The messages at the end of a file, the newest first."""
    start = max(0, _size(path) - PEEKED_BYTES)
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(start)
        read = list(frames.read(file.read(PEEKED_BYTES), start, is_end=True))
        if start and read and read[0].value is None:
            del read[0]  # the end of one that begins before
        return [Message(topic, path.name, one.start, one.value, skipped=one.skipped) for one in read[::-1]]
    return []
