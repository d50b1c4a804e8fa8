"""The inference topic as a stream of MLRun's: a script's own records go to it as messages, in UTF-8 JSON."""

import hashlib
import logging
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from hopyard.server.bodies import codec
from hopyard.server.inference_log.bodies import MOST_BYTES

if TYPE_CHECKING:
    from hopyard.server.flavors import Model

SUBJECT = "mlrunrecord"
MOST_MESSAGE_BYTES = 512 * 1024  # of the 1 MB that Kafka takes by default

log = logging.getLogger(__name__)


class Messages:
    """What stands at `context.stream.output_stream` of models. What they push before the server serves, as while their
    input example is predicted, goes nowhere. Any thread may push.

    `percent` is how many of a hundred calls are recorded, and the mode says which of their bodies.
    """

    def __init__(self, *, host: str, function_uri: str, mode: str = "ALL", percent: float = 100.0) -> None:
        self.host = host
        self.function_uri = function_uri
        self.percent = percent
        self._keeps = {
            "request": mode in ("ALL", "MODEL_INPUTS"),
            "resp": mode in ("ALL", "PREDICTIONS"),
        }
        self._put: Callable[[bytes], object] | None = None
        self._closing: list[Callable[[], None]] = []

    def connect(self, put: Callable[[bytes], object]) -> None:
        """From now on messages are given to `put`."""
        self._put = put

    def before_closing(self, call: Callable[[], None]) -> None:
        """Have this called while messages are still taken for the last time."""
        self._closing.append(call)

    def close(self) -> None:
        """Take what is still held back, and nothing after it."""
        for call in self._closing:
            call()
        self._put = None

    def takes(self) -> bool:
        """Whether the next call is in the sample."""
        if self._put is None or self.percent >= 100:
            return self._put is not None
        return random.random() * 100 < self.percent  # noqa: S311

    def kept(self, name: str, value: Any) -> Any:
        """A request or a response as it is recorded: written at once, so that nobody changes it any more; by its size
        and sha256 if it is large.
        """
        if value is None or not self._keeps[name]:
            return None
        text = _json(value)
        if len(text) > MOST_BYTES:
            return {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        return orjson.Fragment(text)

    def push(self, records: Iterable[dict[str, Any]], partition_key: str | None = None) -> None:
        """Send each of these as a message of its own; messages of the topic have no key."""
        if self._put is None:
            return
        for record in records:
            for text in _messages(record):
                self._put(text)


def connect(models: Iterable["Model"], put: Callable[[bytes], object]) -> list[Messages]:
    """The server serves these models now. Returns what is to be closed when it stops."""
    streams = {id(each): each for model in models if (each := model.messages) is not None}
    for stream in streams.values():
        stream.connect(put)
    if not streams:
        log.warning(
            "The topic is for MLRun's records, which only a V2ModelServer makes, so that calls of this script are not "
            "recorded; choose the other format of records for it."
        )
    return list(streams.values())


def close(streams: Iterable[Messages]) -> None:
    """The server stops; what models hold back is a last message."""
    for stream in streams:
        stream.close()


def _messages(record: dict[str, Any]) -> Iterator[bytes]:
    """A record as one message, or a batch that is too large for one as several."""
    text, rows = _json(record), record.get("values")
    if len(text) <= MOST_MESSAGE_BYTES or not isinstance(rows, list) or len(rows) < 2:
        yield text
        return
    middle = len(rows) // 2
    for half in (rows[:middle], rows[middle:]):
        yield from _messages({**record, "values": half})


def _json(value: Any) -> bytes:
    """As the answers of the server are written; what JSON cannot hold is told in words."""
    try:
        return codec.dumps(value, place="the record")
    except codec.Unserialisable as error:
        return codec.dumps(str(error))
