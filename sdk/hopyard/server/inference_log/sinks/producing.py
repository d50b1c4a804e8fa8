"""How we produce to Kafka: the settings of librdkafka, its log, and its errors in plain words."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError

GIVEN_UP_AFTER_MS = 10_000
LOGGED_EVERY_SECONDS = 60.0
OPTIONS = "HOPYARD_KAFKA_OPTIONS"
NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
NO_RIGHT = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
NOBODY = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
OURS: Mapping[str, str | int] = {
    "acks": "all",
    "enable.idempotence": "true",
    "compression.type": "lz4",
    "linger.ms": 10,
    # What is not delivered by then is the spill's, which a queue in memory must not compete with.
    "message.timeout.ms": GIVEN_UP_AFTER_MS,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 32 * 1024,
    "topic.metadata.propagation.max.ms": 2_000,
    "reconnect.backoff.max.ms": 1_000,
    "socket.keepalive.enable": "true",
}


def settings(
    brokers: Sequence[str], options: Mapping[str, Any], on_error: Callable[[KafkaError], None]
) -> dict[str, Any]:
    """Ours, and over them those of the installation."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()
    }
    ours = dict(OURS)
    if str(given.get("acks", "all")) not in ("all", "-1"):
        del ours["enable.idempotence"]  # which needs all of them
    fixed = {"logger": _log(), "error_cb": on_error}
    return {"bootstrap.servers": ",".join(brokers), "client.id": "hopyard", **ours, **given, **fixed}


def linger_seconds(options: Mapping[str, Any]) -> float:
    """How long librdkafka gathers before it sends; it knows the same setting by two names."""
    given = options.get("linger.ms", options.get("queue.buffering.max.ms", OURS["linger.ms"]))
    with contextlib.suppress(TypeError, ValueError):
        return float(given) / 1000
    return 0.0


def sentence(error: KafkaError, *, brokers: Sequence[str], topic: str, last: str) -> str:
    """Why records cannot be sent, and what to do; `last` is what librdkafka said last of its connections."""
    where = f"Kafka at {', '.join(brokers)}"
    code = error.code()
    if code in NO_TOPIC:
        return f"{where} has no topic {topic}; create it again, or choose another one for the serving"
    if code in NO_RIGHT:
        return f"{where} does not let us write to {topic}; give the user of {OPTIONS} the right to"
    if code in NOBODY:
        return f"{where} does not accept the user of {OPTIONS}: {error.str()}"
    if code == KafkaError._QUEUE_FULL:
        return f"{where} takes records more slowly than they come"
    if code == KafkaError._MSG_TIMED_OUT:
        return f"{where} took nothing for {GIVEN_UP_AFTER_MS // 1000} s" + (f": {last}" if last else "")
    return f"{where} did not take them: {error.str()}"


class Sparing(logging.Filter):
    """Lets one line pass in so many seconds: librdkafka repeats itself with every attempt to connect, and
    warns of what it mends itself.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if record.levelno < logging.ERROR or now < self._next:
            return False
        self._next = now + self._seconds
        return True


def _log() -> logging.Logger:
    logger = logging.getLogger("hopyard.kafka")
    if not any(isinstance(each, Sparing) for each in logger.filters):
        logger.addFilter(Sparing(LOGGED_EVERY_SECONDS))
    return logger
