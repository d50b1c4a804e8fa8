"""The serving process's side of the inference log: records are gathered, handed over, and kept until they were taken.

All of it happens on the event loop, and none of it waits: a record is one tuple in a list, some hundreds are one
frame on a socket. What the shipper does not take is kept within bounds, and beyond them dropped and counted.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from random import random
from time import perf_counter, time
from typing import Any

from hopyard.server.config import Config
from hopyard.server.inference_log.digests import Digests
from hopyard.server.inference_log.keeping import Keeping
from hopyard.server.inference_log.records import LARGEST_BODY, Message, Record, plain
from hopyard.server.inference_log.window import Window

COUNTS = ("sent", "spilled", "dropped", "waiting")
BATCH_RECORDS = 400
BATCH_BYTES = 256 * 1024
GATHER_SECONDS = 0.05
SHIPPING_SECONDS = 2.0  # for the shipper's last words, where we end without any
SAID_EVERY_SECONDS = 60.0

log = logging.getLogger(__name__)


class InferenceLog:
    """For the event loop alone, but for `put_message`. `clock` is what `perf_counter` lacks to the epoch's time."""

    def __init__(self, settings: Config, *, writer: str) -> None:
        mode = settings.inference_logging
        self.keeps_inputs = mode in ("ALL", "MODEL_INPUTS")
        self.keeps_outputs = mode in ("ALL", "PREDICTIONS")
        self.tells_events = bool(settings.events_url)
        self.clock = time() - perf_counter()
        # MLRun's records are messages of the script's; calls are recorded besides for who listens to events.
        only_messages = settings.topic_subject == "mlrunrecord" and not self.tells_events
        self._share = 0.0 if only_messages else settings.sampling_percent / 100
        self.takes_all = self._share >= 1.0
        self._loop = asyncio.get_running_loop()
        self._records: list[Record | Message] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._window = Window()
        self._keeping = Keeping(_told(settings, writer), self._window)
        self._dropped = 0
        self._next_said = 0.0
        self._has_refused = False
        self._is_started = False
        self._digests = Digests(self._loop, done=self._gather, refused=lambda: self._drop(1))

    @property
    def counts(self) -> dict[str, int]:
        """Of all records so far: sent, spilled and dropped, and how many are on their way now."""
        counts = {name: self._keeping.count(name) for name in COUNTS}
        counts["dropped"] += self._dropped
        counts["waiting"] += self._window.records + len(self._records) + len(self._digests)
        return counts

    @property
    def events_dropped(self) -> int:
        """CloudEvents that no collector has got."""
        return self._keeping.count("events_dropped")

    def takes(self) -> bool:
        """Whether the next call is in the sample; not to be asked where all are taken."""
        return random() < self._share  # noqa: S311 - no secret

    def put(self, record: Record, size: int) -> None:
        """Log a call; `size` is that of its bodies."""
        if size > LARGEST_BODY:
            self._digests.make(record, size)
        else:
            self._gather(record, size)

    def _gather(self, record: Record | Message, size: int) -> None:
        self._records.append(record)
        self._bytes += size
        if self._timer is None:
            self._timer = self._loop.call_later(GATHER_SECONDS, self._time_is_up)
        elif len(self._records) >= BATCH_RECORDS or self._bytes >= BATCH_BYTES:
            self._flush()

    def put_message(self, data: bytes) -> None:
        """Log what is encoded already, from any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._gather, (data,), len(data))

    def start(self) -> None:
        """Start the shipper; the server is ready."""
        self._is_started = True
        self._keeping.start()

    async def close(self, seconds: float) -> None:
        """Hand over what there is, and let the shipper end, for at most this long."""
        if not self._is_started:
            return
        deadline = self._loop.time() + seconds
        await self._digests.settle(seconds / 2)
        self._flush()
        is_on_its_way = await self._keeping.close(deadline)
        left = self._window.records
        if left and is_on_its_way:
            log.warning("%d inference records were on their way when the server ended", left)
        elif left:
            self._dropped += self._window.clear()
            log.error("%d inference records could not be shipped before the end and are dropped", left)

    # Gathering

    def _time_is_up(self) -> None:
        self._timer = None
        self.clock = time() - perf_counter()
        self._flush()

    def _flush(self) -> None:
        records, self._records, self._bytes = self._records, [], 0
        if not records:
            return
        if self._window.is_full:
            self._drop(len(records))
        elif not self._hand_over(records):
            records = list(map(plain, records))
            if not self._hand_over(records):
                self._hand_over_singly(records)

    def _hand_over(self, records: list[Record | Message]) -> bool:
        """False if something is among them that cannot be passed on."""
        try:
            frame = self._window.add(records)
        except ValueError:
            return False
        self._keeping.send(frame)
        return True

    def _hand_over_singly(self, records: list[Record | Message]) -> None:
        """One of them holds what cannot be passed on; it must not take the others with it."""
        refused = sum(not self._hand_over([record]) for record in records)
        self._dropped += refused
        if refused and not self._has_refused:
            self._has_refused = True
            log.error("An inference record cannot be passed on and is dropped, as are others like it")

    def _drop(self, count: int) -> None:
        self._dropped += count
        now = self._loop.time()
        if now >= self._next_said:
            self._next_said = now + SAID_EVERY_SECONDS
            log.error(
                "Inference records come faster than they are shipped; those that find no room are dropped, %d so far",
                self._dropped,
            )


def _told(settings: Config, writer: str) -> dict[str, Any]:
    """The settings as the shipper is told them."""
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in known.items()}
    return {**plain, "writer": writer, "drain_seconds": SHIPPING_SECONDS}
