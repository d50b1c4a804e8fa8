"""What keeps topics: Kafka, or folders on this machine. This is the seam; `worker.topics` has both kinds.

Names are those of the installation, not of a project. All calls are synchronous and idempotent, and may be made by any
process; a reader belongs to one thread.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class BrokerError(Exception):
    """The broker did not do what it was asked for: `code` is stable, the text a sentence that says what to do."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class BrokerAway(BrokerError):
    """It cannot be reached, or not for now; the same call may succeed later."""


class StillJoining(BrokerAway):
    """The readers of a group are being given their shares of its topics; this ends while they `poll`."""

    def __init__(self, reason: str) -> None:
        super().__init__("StillJoining", reason)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `partition` and `offset` say where, `value` is None where bytes were found that are no message
    (`skipped` has them). `timestamp_ms` is when it was written, 0 if unknown.
    """

    topic: str
    partition: str
    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp_ms: int = 0
    skipped: bytes = b""


@dataclass(frozen=True)
class Partition:
    """Offsets of the first message and of the one that will be next, and its bytes on disk."""

    id: str
    first: int
    next: int
    bytes: int
    replicas: int = 1
    in_sync: int = 1


@dataclass(frozen=True)
class Described:
    """A topic as the broker has it."""

    name: str
    partitions: Sequence[Partition] = field(default_factory=tuple)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.partitions)

    @property
    def messages(self) -> int:
        """For Kafka; positions in files are bytes, where nobody has counted messages."""
        return sum(each.next - each.first for each in self.partitions)


class Reader(Protocol):
    """Reads topics as one of a group; each message goes to one reader of the group, and again after a death that came
    before `commit`.
    """

    def subscribe(self, topics: Collection[str]) -> None:
        """Read these from now on, from where the group is, or from their beginning."""

    def poll(self, *, seconds: float, most: int) -> list[Message]:
        """Messages that came, at most so many, waiting so long for a first one. Raises BrokerAway."""

    def commit(self) -> None:
        """All that `poll` has returned is done with. For folders this writes to the database, so that it may be part
        of a transaction; for Kafka it is to be called after one. Raises BrokerAway; where that is StillJoining, go on
        with `poll` and commit later, for what the reader then has.
        """

    def lag(self) -> Mapping[str, int]:
        """Messages (for folders, bytes) not read yet, by topic, of what this reader was given. A topic of which it is
        not known for now is left out. Raises BrokerError, StillJoining before the reader was given anything.
        """

    def close(self) -> None: ...


class Broker(Protocol):
    """Every call raises BrokerAway or BrokerError."""

    def create(self, name: str, *, partitions: int, replication: int) -> None:
        """Make a topic; one that is there is left as it is."""

    def describe(self, names: Collection[str]) -> dict[str, Described]:
        """Those of them that exist."""

    def delete(self, name: str) -> None:
        """Remove a topic with its messages; gone when this returns, or was."""

    def publish(self, name: str, values: Sequence[bytes], *, keys: Sequence[bytes | None] = ()) -> None:
        """Add messages, in order; the broker has them all when this returns."""

    def reader(self, *, group: str) -> Reader: ...
    def peek(self, name: str, *, most: int) -> list[Message]:
        """The newest messages, newest first, without a group."""

    def close(self) -> None:
        """Let go of connections; it may be used again."""
