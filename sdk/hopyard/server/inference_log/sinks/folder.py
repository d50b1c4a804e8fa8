"""A topic that is a folder on this machine: `<topics>/<topic>/<writer>.<number>.log`, each file by one process."""

import contextlib
import fcntl
import os
from pathlib import Path

from hopyard.server.inference_log import frames
from hopyard.server.inference_log.sinks import SLOW_SECONDS, Parcel

ROTATED_AT_BYTES = 64 * 1024 * 1024


class FolderSink:
    """Adds a parcel with one write. Its file is opened anew each time, since the platform removes old ones."""

    name = "the topic's folder"
    slow_seconds = SLOW_SECONDS

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._path: Path | None = None

    def send(self, parcel: Parcel) -> None:
        try:
            self._write(parcel)
        except OSError as error:
            parcel.fail(parcel.values, f"{self._folder} cannot be written: {error.strerror or error}")
        else:
            parcel.deliver(len(parcel.values))

    def poll(self, seconds: float) -> None:
        """Nothing is ever under way."""

    def give_up(self) -> None:
        """Nothing is ever under way."""

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, parcel: Parcel) -> None:
        file = self._open()
        try:
            if frames.write(file, parcel.values) >= ROTATED_AT_BYTES:
                self._path = None
        finally:
            os.close(file)

    def _open(self) -> int:
        """The file, locked: whoever removes old ones locks them too."""
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file).st_nlink:
                    return file
                os.close(file)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path, file = frames.create(self._folder, self._writer)
        return file
