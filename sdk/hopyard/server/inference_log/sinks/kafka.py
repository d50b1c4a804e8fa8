"""A topic of Kafka, through librdkafka: parcels are queued in memory and settled by its delivery reports."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from hopyard.server.inference_log.sinks import SLOW_SECONDS, Parcel, producing

PURGED_WITHIN_SECONDS = 2.0
TOGETHER, ALONE, SHRUNK = range(3)  # how a value was sent


class KafkaSink:
    """A value that the broker finds too large is sent once more without company, since a batch is refused as a whole,
    and then as what `shrink` makes of it.
    """

    name = "Kafka"

    def __init__(
        self,
        brokers: Sequence[str],
        topic: str,
        options: Mapping[str, Any],
        shrink: Callable[[bytes], bytes],
    ) -> None:
        self.slow_seconds = SLOW_SECONDS + producing.linger_seconds(options)
        self._brokers = brokers
        self._topic = topic
        self._options = options
        self._shrink = shrink
        self._producer: Producer | None = None
        self._alone: Producer | None = None
        self._large: list[tuple[Parcel, bytes, int]] = []
        self._last = ""
        self._is_broken = False

    def send(self, parcel: Parcel) -> None:
        try:
            self._producer = self._producer or self._made({})
        except (KafkaException, TypeError, ValueError) as error:
            why = error.args[0].str() if isinstance(error, KafkaException) else error
            parcel.fail(parcel.values, f"Kafka cannot be asked with {producing.OPTIONS} as they are: {why}")
            return
        self._produce(self._producer, parcel, parcel.values, TOGETHER)
        self._send_large()

    def poll(self, seconds: float) -> None:
        for producer, wait in ((self._producer, seconds), (self._alone, 0.0)):
            if producer is not None:
                producer.poll(wait)
        self._send_large()
        if self._is_broken:  # for good: librdkafka calls this fatal, and another producer may do
            self.give_up()
            self._producer = self._alone = None
            self._is_broken = False

    def give_up(self) -> None:
        for producer in (self._producer, self._alone):
            if producer is not None:
                producer.purge()
                producer.flush(PURGED_WITHIN_SECONDS)
        large, self._large = self._large, []
        for parcel, value, _ in large:
            parcel.fail([value], "there was no time for it")

    def close(self) -> None:
        self._producer = self._alone = None

    def _made(self, more: Mapping[str, Any]) -> Producer:
        return Producer({**producing.settings(self._brokers, self._options, self._on_error), **more})

    def _produce(self, producer: Producer, parcel: Parcel, values: Sequence[bytes], how: int) -> None:
        messages: list[dict[str, Any]] = [{"value": value} for value in values]
        producer.produce_batch(
            self._topic, messages, on_delivery=functools.partial(self._on_delivery, parcel, how)
        )
        for message in messages:
            if "_error" in message:
                self._on_failure(parcel, how, message["_error"], message["value"])

    def _on_delivery(self, parcel: Parcel, how: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            parcel.left -= 1
            parcel.sent += 1
        else:
            self._on_failure(parcel, how, error, message.value() or b"")

    def _on_failure(self, parcel: Parcel, how: int, error: KafkaError, value: bytes) -> None:
        if error.code() not in producing.TOO_LARGE:
            parcel.fail([value], self._sentence(error))
        elif how == SHRUNK:
            self._refuse(parcel, value)
        else:
            self._large.append((parcel, value, how + 1))

    def _send_large(self) -> None:
        """Not from within a delivery report, which would have to wait for its own."""
        while self._large:
            self._alone = self._alone or self._made({"batch.num.messages": 1})
            large, self._large = self._large, []
            for parcel, value, how in large:
                try:
                    sent = self._shrink(value) if how == SHRUNK else value
                except Exception:  # foreign bytes, of which nobody knows what is in them
                    self._refuse(parcel, value)
                else:
                    self._produce(self._alone, parcel, [sent], how)

    def _refuse(self, parcel: Parcel, value: bytes) -> None:
        parcel.refuse(1, f"Kafka finds a record of {len(value)} bytes too large for {self._topic}")

    def _on_error(self, error: KafkaError) -> None:
        self._last = error.str()
        self._is_broken = self._is_broken or error.fatal()

    def _sentence(self, error: KafkaError) -> str:
        return producing.sentence(error, brokers=self._brokers, topic=self._topic, last=self._last)
