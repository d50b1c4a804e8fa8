"""Makes kafka-python's clients, such that those which find no broker leave nothing behind."""

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Any

from kafka import errors
from kafka.net.compat import KafkaNetClient

DEFAULT_PORT = 9092


def made(kind: type[Any], brokers: Sequence[str], options: dict[str, Any]) -> Any:
    """A client that has reached a broker. Raises what kafka-python raises."""
    _require_listener(brokers, seconds=options["bootstrap_timeout_ms"] / 1000)
    connections: list[Any] = []

    def connect(**chosen: Any) -> Any:
        connections.append(KafkaNetClient(**chosen))
        return connections[-1]

    try:
        return kind(bootstrap_servers=list(brokers), kafka_client=connect, **options)
    except BaseException:
        for each in connections:  # else its thread would go on trying for ever
            with contextlib.suppress(errors.KafkaError, OSError, RuntimeError):
                each.close()
        raise


def _require_listener(brokers: Sequence[str], *, seconds: float) -> None:
    """At once, rather than after all of a client's own tries. Raises KafkaConnectionError."""
    deadline = time.monotonic() + seconds
    said: Exception | None = None
    for broker in brokers:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            socket.create_connection(_place(broker), timeout=left).close()
        except (OSError, ValueError) as error:
            said = error
        else:
            return
    raise errors.KafkaConnectionError(str(said or "no broker is named"))


def _place(broker: str) -> tuple[str, int]:
    host, colon, port = broker.rpartition(":")
    if not colon or port.endswith("]"):
        return broker.strip("[]"), DEFAULT_PORT
    return host.strip("[]"), int(port)
