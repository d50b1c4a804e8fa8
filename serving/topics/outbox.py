"""Messages from the web: appended to a file of their topic, which is the topic itself or waits to be sent to Kafka."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from models_registry import storage
from serving.topics import folders


class NotKept(Exception):
    """The messages could not be written; the same ones may be sent again."""


def put(topic: str, writer: str, values: Sequence[bytes]) -> None:
    """All of them or none. Raises NotKept and storage.StorageFull."""
    storage.require_room(sum(map(len, values)))
    folder: Path = settings.OUTBOX_DIR if settings.KAFKA_BROKERS else settings.TOPIC_DIR
    try:
        folders.append(folder / topic, writer, values)
    except OSError as error:
        raise NotKept(f"The messages could not be kept ({error}); send them again.") from error
