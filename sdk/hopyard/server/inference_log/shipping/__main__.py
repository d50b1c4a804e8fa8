"""`python -P -m hopyard.server.inference_log.shipping`, with the socket to the server as standard input."""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hopyard.server import output
from hopyard.server.inference_log.shipping import making, orders
from hopyard.server.inference_log.shipping.delivery import Delivery
from hopyard.server.inference_log.shipping.intake import BAD_SETTINGS, END, Intake
from hopyard.server.inference_log.shipping.orders import Orders
from hopyard.server.inference_log.shipping.preparing import Preparing

if TYPE_CHECKING:
    from hopyard.server.inference_log.sinks.events import EventsSink

BUSY_SECONDS, SPILLED_SECONDS, IDLE_SECONDS = 0.01, 0.1, 1.0
"""How long to wait for records: while the sink is about to answer, while there are some in the spill, and else."""
COUNTED_EVERY_SECONDS = 1.0

log = logging.getLogger("hopyard.server.inference_log.shipping")  # our own name is no one's


class Shipper:
    """Takes batches of the server's until there are no more."""

    def __init__(
        self,
        intake: Intake,
        delivery: Delivery,
        preparing: Preparing,
        events: "EventsSink | None",
        *,
        drain_seconds: float,
    ) -> None:
        self.drain_seconds = drain_seconds
        self._intake = intake
        self._delivery = delivery
        self._preparing = preparing
        self._events = events
        self._told: dict[str, int] = {}
        self._next_count = 0.0

    def run(self) -> None:
        self.count()  # which also says that the settings are good
        while not self._intake.is_over:
            for number, batch in self._intake.read(self._pause()):
                if number == END:
                    self.drain_seconds = batch
                else:
                    self._take(number, batch)
            self._delivery.tick()
            if time.monotonic() >= self._next_count:
                self.count()

    def count(self) -> None:
        """Tell the server what became of its records, if that changed."""
        counts = self._delivery.counts
        new = {
            "sent": counts.sent,
            "spilled": counts.spilled,
            "dropped": counts.dropped,
            "waiting": self._delivery.waiting,
        }
        if self._events is not None:
            new["events_dropped"] = self._events.dropped
        if new != self._told:
            self._intake.say(("counts", new))
            self._told = new
            self._next_count = time.monotonic() + COUNTED_EVERY_SECONDS

    def _take(self, number: int, batch: Sequence[Any]) -> None:
        lost = self._preparing.dropped
        values = self._preparing.values(batch)
        self._delivery.drop(self._preparing.dropped - lost)
        self._delivery.take(values, number)

    def _pause(self) -> float:
        if self._delivery.is_busy:
            return BUSY_SECONDS
        return SPILLED_SECONDS if self._delivery.waiting else IDLE_SECONDS


def main() -> int:
    output.set_up()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of the input is what ends us, when all is delivered
    intake = Intake(socket.socket(fileno=os.dup(sys.stdin.fileno())))
    told = _first(intake)
    if told is not None:
        try:
            _ship(intake, told)
        except ValueError as error:
            log.error("Inference records cannot be shipped with these settings: %s", error)
            return BAD_SETTINGS
    return 0


def _first(intake: Intake) -> Orders | None:
    while not intake.is_over:
        for message in intake.read(IDLE_SECONDS):
            return orders.read(message)
    return None


def _ship(intake: Intake, told: Orders) -> None:
    with making.spill(told) as spill:
        events = making.events(told)
        delivery = Delivery(making.sink(told), spill, taken=lambda number: intake.say(("took", number)))
        preparing = Preparing(told, for_platform=making.posts(told), tell=events.put if events else None)
        shipper = Shipper(intake, delivery, preparing, events, drain_seconds=told.drain_seconds)
        with contextlib.closing(intake):
            shipper.run()
            deadline = time.monotonic() + shipper.drain_seconds
            delivery.finish(shipper.drain_seconds, is_kept=making.is_kept(told))
            shipper.count()
            if events:
                events.close(max(0.0, deadline - time.monotonic()))
                shipper.count()  # of what found no time


if __name__ == "__main__":
    sys.exit(main())
