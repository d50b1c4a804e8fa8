"""What becomes of a record before it leaves: redacted, cut to what is kept, and encoded for where it goes."""

import contextlib
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence

from hopyard.server.inference_log import encoding, lines, messages, plain, records
from hopyard.server.inference_log.encoding import Told
from hopyard.server.inference_log.records import Message, Record
from hopyard.server.inference_log.redaction import Redaction
from hopyard.server.inference_log.shipping.orders import Orders

MLRUN = "mlrunrecord"

log = logging.getLogger(__name__)


class Preparing:
    """Makes values of records. What cannot become one is counted in `dropped` and spoils no other."""

    def __init__(
        self, orders: Orders, *, for_platform: bool, tell: Callable[[Told], None] | None = None
    ) -> None:
        self.dropped = 0
        self._is_untold = False
        self._redaction = Redaction.of(orders.redaction, orders.salt)
        self._tell = tell
        # Calls are recorded besides MLRun's messages, or without a topic, for the events alone.
        self._has_topic = orders.has_topic
        self._is_logged = orders.has_topic and orders.topic_subject != MLRUN
        self._encode = (
            functools.partial(lines.line, orders.replica, orders.sampling_percent)
            if for_platform
            else encoding.encoder(orders.topic_schema, orders.origin)
        )
        is_plain = not (self._redaction.rules or tell or for_platform)
        is_newest = self._is_logged and orders.topic_schema == encoding.NEWEST
        self._plain = plain.encoder(orders.origin) if is_plain and is_newest else None
        self._message = functools.partial(lines.message, orders.replica) if for_platform else _as_it_is

    def values(self, batch: Sequence[Record | Message]) -> list[bytes]:
        """In the same order."""
        found = []
        for value, record in zip(self._usual(batch), batch, strict=True):
            if value is not None:
                found.append(value)
                continue
            try:
                if (odd := self._value(record)) is not None:
                    found.append(odd)
            except Exception as error:
                if not self.dropped:
                    log.error(
                        "A call cannot be written as an inference record and is dropped, as are others like it: %s: %s",
                        type(error).__name__,
                        error,
                    )
                self.dropped += 1
        return found

    def _usual(self, batch: Sequence[Record | Message]) -> Iterable[bytes | None]:
        """The values of the records that are as usual, None for the others."""
        if self._plain is not None:
            encode = self._plain
            with contextlib.suppress(Exception):  # one by one it will be seen which of them
                return [encode(record) if len(record) > 1 else None for record in batch]
        return itertools.repeat(None, len(batch))

    def _value(self, record: Record | Message) -> bytes | None:
        if len(record) == 1:
            return self._message(messages.redacted(self._redaction, record[0])) if self._has_topic else None
        inputs, outputs, error = record[records.INPUTS : records.ERROR + 1]
        kept = self._redaction.kept(inputs, outputs, error, has_run=records.may_have_answered(record))
        told = Told(self._redaction.named(record), kept.inputs, kept.outputs, kept.error)
        value = self._encode(told) if self._is_logged else None
        if self._tell:
            self._tell_events(self._tell, told)
        return value

    def _tell_events(self, tell: Callable[[Told], None], told: Told) -> None:
        """What goes wrong here is no reason to lose the record."""
        try:
            tell(told)
        except Exception as error:
            if not self._is_untold:
                self._is_untold = True
                log.error(
                    "CloudEvents of a call cannot be made, nor those of others like it: %s: %s",
                    type(error).__name__,
                    error,
                )


def _as_it_is(message: bytes) -> bytes:
    return message
