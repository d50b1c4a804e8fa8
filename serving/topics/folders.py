"""A folder of files of messages, each written by one writer: `<writer>.<number>.log`, another one when it is large."""

import re
from collections.abc import Sequence
from pathlib import Path

from serving.topics import frames

ROTATED_AT_BYTES = 64 * 1024 * 1024
_NAME = re.compile(rf"(?P<writer>.+)\.(?P<number>\d{{1,9}}){re.escape(frames.SUFFIX)}")


def append(folder: Path, writer: str, values: Sequence[bytes]) -> None:
    """All of them or none. Raises OSError."""
    frames.append(_newest(folder, writer), values)


def files(folder: Path) -> list[Path]:
    """Its files of messages, in the order in which a writer wrote them."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.name.endswith(frames.SUFFIX))


def place(path: Path) -> tuple[str, int] | None:
    """A file's writer and number, if it is named like one."""
    found = _NAME.fullmatch(path.name)
    return (found["writer"], int(found["number"])) if found else None


def _newest(folder: Path, writer: str) -> Path:
    """The file that the writer goes on with."""
    places = filter(None, map(place, files(folder)))
    newest = max((number for one, number in places if one == writer), default=1)
    path = folder / f"{writer}.{newest:06d}{frames.SUFFIX}"
    is_large = path.exists() and path.stat().st_size >= ROTATED_AT_BYTES
    return folder / f"{writer}.{newest + 1:06d}{frames.SUFFIX}" if is_large else path
