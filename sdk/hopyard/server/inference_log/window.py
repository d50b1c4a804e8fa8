"""Batches that the shipper has not acknowledged, as the frames they are sent in: at most so many records and bytes."""

from hopyard.server.inference_log.link import framed
from hopyard.server.inference_log.records import Message, Record

MAX_RECORDS = 100_000
MAX_BYTES = 32 * 1024 * 1024


class Window:
    """`records` is how many there are."""

    def __init__(self) -> None:
        self.records = 0
        self._bytes = 0
        self._number = 0
        self._frames: dict[int, tuple[bytes, int]] = {}

    @property
    def is_full(self) -> bool:
        return self._bytes >= MAX_BYTES or self.records >= MAX_RECORDS

    @property
    def oldest(self) -> int:
        """Its number, or 0."""
        return next(iter(self._frames), 0)

    def frames(self) -> list[bytes]:
        return [frame for frame, _ in self._frames.values()]

    def add(self, records: list[Record | Message]) -> bytes:
        """Return the frame of a new batch. Raises ValueError for what cannot be sent."""
        number = self._number + 1
        frame = framed((number, records))
        self._number = number
        self._frames[number] = (frame, len(records))
        self._bytes += len(frame)
        self.records += len(records)
        return frame

    def clear(self) -> int:
        """Forget all of them, and return how many records they had."""
        return sum(map(self.remove, list(self._frames)))

    def remove(self, number: int) -> int:
        """Forget a batch, and return how many records it had."""
        frame, count = self._frames.pop(number, (b"", 0))
        self._bytes -= len(frame)
        self.records -= count
        return count
