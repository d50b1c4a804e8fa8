"""Makes, shares and ends kafka-python's clients, such that nothing of them is left behind."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer, errors
from kafka.net.compat import KafkaNetClient

from worker.topics import kafka_words

DEFAULT_PORT = 9092
SECONDS_TO_END = 4.0


class Clients:
    """One client of each kind, for all threads. One that is retired goes to nobody any more, and ends when the last
    of those who use it are done, so that the trouble of one of them is not that of the others.
    """

    def __init__(self, make: Callable[[type[Any]], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._kept: dict[type[Any], _Shared] = {}

    @contextmanager
    def one(self, kind: type[Any]) -> Iterator[Any]:
        """A client for a block; it is retired where that ends in trouble that may be its own."""
        shared = self._take(kind)
        try:
            yield shared.client
        except kafka_words.TROUBLE as error:
            if not kafka_words.is_refusal(error):
                self._drop(shared)
            raise
        finally:
            self._leave(shared)

    def retire(self, *kinds: type[Any]) -> None:
        for kind in kinds:
            with self._lock:
                shared = self._kept.get(kind)
            if shared is not None:
                self._drop(shared)

    def _take(self, kind: type[Any]) -> "_Shared":
        with self._lock:
            if kind not in self._kept:
                self._kept[kind] = _Shared(self._make(kind))
            self._kept[kind].users += 1
            return self._kept[kind]

    def _leave(self, shared: "_Shared") -> None:
        with self._lock:
            shared.users -= 1
        self._end_if_unused(shared)

    def _drop(self, shared: "_Shared") -> None:
        """Unless it was dropped before, and there is another one by now."""
        with self._lock:
            self._kept = {kind: each for kind, each in self._kept.items() if each is not shared}
            shared.is_retired = True
        self._end_if_unused(shared)

    def _end_if_unused(self, shared: "_Shared") -> None:
        with self._lock:
            ends = shared.is_retired and not shared.users and not shared.is_ended
            shared.is_ended = shared.is_ended or ends
        if ends:
            end(shared.client)


class _Shared:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.users = 0
        self.is_retired = False
        self.is_ended = False


def end(client: Any) -> None:
    """For good. A producer sends nothing more: its own `close` waits for what was not sent, and where that takes too
    long gives up and leaves its thread and its connections.
    """
    with kafka_words.unheard():
        if isinstance(client, KafkaProducer):
            client._sender.force_close()
            client._sender.join(SECONDS_TO_END)
            client.close(timeout=0)
        else:
            client.close()


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
