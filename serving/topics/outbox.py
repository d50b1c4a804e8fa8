"""Messages from the web: appended to a file of their topic, which is the topic itself or waits to be sent to Kafka."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from models_registry import storage
from serving.topics import frames

ROTATED_AT_BYTES = 64 * 1024 * 1024


class NotKept(Exception):
    """The messages could not be written; the same ones may be sent again."""


def put(topic: str, writer: str, values: Sequence[bytes]) -> None:
    """All of them or none. Raises NotKept and storage.StorageFull."""
    storage.require_room(sum(map(len, values)))
    folder: Path = settings.OUTBOX_DIR if settings.KAFKA_BROKERS else settings.TOPIC_DIR
    try:
        frames.append(_newest(folder / topic, writer), values)
    except OSError as error:
        raise NotKept(f"The messages could not be kept ({error}); send them again.") from error


def _newest(folder: Path, writer: str) -> Path:
    """The file that the writer goes on with: `<writer>.<number>.log`, another one when it has become large."""
    numbers = [int(path.name.split(".")[-2]) for path in folder.glob(f"{writer}.*{frames.SUFFIX}")]
    newest = max(numbers, default=1)
    path = folder / f"{writer}.{newest:06d}{frames.SUFFIX}"
    is_large = path.exists() and path.stat().st_size >= ROTATED_AT_BYTES
    return folder / f"{writer}.{newest + 1:06d}{frames.SUFFIX}" if is_large else path
