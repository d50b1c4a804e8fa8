"""The serving process's side of the inference log: records are gathered, handed over, and kept until they were taken.

All of it happens on the event loop, and none of it waits: a record is one tuple in a list, a hundred of them are one
frame on a socket. What the shipper does not take is kept within bounds, and beyond them dropped and counted.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from random import random
from time import perf_counter, time
from typing import Any

from hopyard.server.config import Config
from hopyard.server.inference_log.digests import Digests
from hopyard.server.inference_log.link import Link
from hopyard.server.inference_log.records import LARGEST_BODY, Message, Record
from hopyard.server.inference_log.window import Window

COUNTS = ("sent", "spilled", "dropped", "waiting")
LASTING = ("sent", "spilled", "dropped", "events_dropped")  # of what a shipper says; they count on after its end
BATCH_RECORDS = 100
BATCH_BYTES = 256 * 1024
GATHER_SECONDS = 0.05
SHIPPING_SECONDS = 2.0  # for the shipper's last words; our end may take a little longer
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # before a shipper that ended is started again
STEADY_SECONDS = 30.0
TRIES = 3  # for a batch that no shipper survives

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
        self._settings = _told(settings, writer)
        self._loop = asyncio.get_running_loop()
        self._records: list[Record | Message] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._window = Window()
        self._dropped = 0
        self._is_dropping = False
        self._link: Link | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self._is_closing = False
        self._said: Counter[str] = Counter()
        self._before: Counter[str] = Counter()  # of shippers that have ended
        self._digests = Digests(self._loop, done=self._gather, refused=lambda: self._drop(1))

    @property
    def counts(self) -> dict[str, int]:
        """Of all records so far: sent, spilled and dropped, and how many are on their way now."""
        counts = {name: self._before[name] + self._said[name] for name in COUNTS}
        counts["dropped"] += self._dropped
        counts["waiting"] += self._window.records + len(self._records) + len(self._digests)
        return counts

    @property
    def events_dropped(self) -> int:
        """CloudEvents that no collector has got."""
        return self._before["events_dropped"] + self._said["events_dropped"]

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
        self._keeping = self._loop.create_task(self._keep())

    async def close(self, seconds: float) -> None:
        """Hand over what there is, and let the shipper end, for at most this long."""
        if self._keeping is None:
            return
        deadline = self._loop.time() + seconds
        await self._digests.settle(seconds)
        self._flush()
        self._is_closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._opened.wait()
                assert self._link is not None
                self._link.finish()
                await self._keeping
        self._keeping.cancel()
        if self._window.records:
            log.warning("%d inference records were on their way when the server ended", self._window.records)

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
            return
        try:
            frame = self._window.add(records)
        except ValueError:
            self._flush_singly(records)
            return
        self._is_dropping = False
        if self._link is not None:
            self._link.send(frame)

    def _flush_singly(self, records: list[Record | Message]) -> None:
        """One of them holds what cannot be passed on; it must not take the others with it."""
        for record in records:
            try:
                frame = self._window.add([record])
            except ValueError:
                log.error("An inference record cannot be passed on and is dropped")
                self._dropped += 1
                continue
            if self._link is not None:
                self._link.send(frame)

    def _drop(self, count: int) -> None:
        self._dropped += count
        if not self._is_dropping:
            log.error(
                "Inference records come faster than they are shipped; those that find no room are dropped"
            )
            self._is_dropping = True

    # The shipper

    async def _keep(self) -> None:
        """Have a shipper until the log is closed."""
        pause, suspect, tries = FIRST_PAUSE, 0, 0
        while True:
            began = self._loop.time()
            how = await self._ship()
            if self._is_closing:
                return
            lived = self._loop.time() - began
            pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)
            log.error("The shipper of inference records ended %s; it is started again in %.1f s", how, pause)
            tries = tries + 1 if self._window.oldest == suspect else 1
            suspect = self._window.oldest
            if suspect and tries >= TRIES:
                self._dropped += self._window.remove(suspect)
            await asyncio.sleep(pause)

    async def _ship(self) -> str:
        """Start one shipper, and say how it ended."""
        link = Link(took=self._window.remove, told=self._tell)
        try:
            await link.open(self._settings)
        except OSError as error:
            return f"before it was started: {error}"
        for frame in self._window.frames():
            link.send(frame)
        self._link = link
        self._opened.set()
        try:
            await link.ended.wait()
        finally:
            self._link = None
            self._opened.clear()
        how = await link.reap()
        for name in LASTING:
            self._before[name] += self._said[name]
        self._said.clear()
        return how

    def _tell(self, counts: Mapping[str, int]) -> None:
        self._said = Counter(counts)


def _told(settings: Config, writer: str) -> dict[str, Any]:
    """The settings as the shipper is told them."""
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in known.items()}
    return {**plain, "writer": writer, "drain_seconds": SHIPPING_SECONDS}
