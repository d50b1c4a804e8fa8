"""Where the list of predictors is read: from a file, or from the platform by a thread that asks it again and again."""

import json
import logging
import threading
from pathlib import Path
from typing import Protocol

from hopyard.server.config import Config
from hopyard.server.control import Away, Control, Reply

POLL_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Source(Protocol):
    """Looked at a few times a second, and only while somebody asks."""

    def look(self) -> list[str] | None:
        """Return the addresses, if there are others than at the last look. Raises OSError and ValueError."""


class FileSource:
    """A JSON list of `host:port` in a file that may be replaced at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None

    def look(self) -> list[str] | None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._stamp:
                return None
            found = addresses(self._path.read_bytes())
        except FileNotFoundError:
            return None  # nobody was listed yet
        except (OSError, ValueError) as error:
            raise ValueError(f"The file of predictors {self._path.name} cannot be read: {error}.") from None
        self._stamp = stamp
        return found


class ControlSource:
    """The platform's list for one revision. A thread asks for it from the first look on; while the platform is away
    the last good list stays.
    """

    def __init__(self, url: str, token: str, revision: str) -> None:
        self._control = Control(url, token)
        self._path = f"/predictors/{revision}/"
        self._tag = ""
        self._found: list[str] | None = None
        self._seen: list[str] | None = None
        self._broken = ""
        self._thread: threading.Thread | None = None

    def look(self) -> list[str] | None:
        if self._thread is None:  # not before: a process that is to be forked has no threads
            self._thread = threading.Thread(target=self._poll, name="predictors", daemon=True)
            self._thread.start()
        found, broken = self._found, self._broken
        if found is not self._seen:
            self._seen = found
            return found
        if broken:
            raise ValueError(broken)
        return None

    def _poll(self) -> None:
        pause, resting = POLL_SECONDS, threading.Event()
        while True:
            try:
                self._ask()
            except (Away, ValueError) as error:
                self._broken = f"The platform cannot be asked for the predictors: {error}."
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                self._broken, pause = "", POLL_SECONDS
            resting.wait(pause)

    def _ask(self) -> None:
        reply: Reply = self._control.ask("GET", self._path, headers={"If-None-Match": self._tag})
        if reply.status == 304:
            return
        if reply.status != 200:
            raise ValueError(reply.sentence)
        found = addresses(reply.body)
        self._tag, self._found = reply.headers.get("etag", ""), found


def of(settings: Config) -> Source:
    """Where a transformer in a process of its own finds its predictors."""
    if settings.predictors_file is not None:
        return FileSource(settings.predictors_file)
    return ControlSource(settings.control_url, settings.token, settings.revision)


def addresses(text: bytes) -> list[str]:
    """Read a list of predictors. Raises ValueError."""
    document = json.loads(text)
    if not isinstance(document, list) or not all(isinstance(each, str) for each in document):
        raise ValueError("it is no JSON list of host:port")
    for address in document:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{address!r} is not host:port")
    return document
