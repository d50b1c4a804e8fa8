"""Sends one file to its place: whole if it is small; else in chunks, going on where an interrupted run stopped."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field

from hopyard.client.errors import BadRequest, Conflict, TimedOut
from hopyard.client.local_files import LocalFile, Report
from hopyard.client.paths import inner
from hopyard.client.project import Project

FROM_BYTES = 32 * 1024 * 1024
"""Files of this size and more go in chunks."""

CHUNK_BYTES = 8 * 1024 * 1024
IN_FLIGHT = 3
TRIES = 3
DAMAGED = {"wrong_hash", "incomplete_upload"}
CHECKED_BYTES_PER_SECOND = 20 * 1024 * 1024
"""How slowly the platform may read the whole file once more at the end."""


@dataclass(frozen=True)
class _Incoming:
    """What the platform has of a file; it answers `missing` chunk numbers, from 0."""

    id: str
    chunk_bytes: int
    missing: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Sending:
    """One file on its way to `path`, inside the draft `upload` or, without one, under Resources/."""

    project: Project
    file: LocalFile
    path: str
    upload: str | int | None = None

    def run(self, timeout: float, report: Report | None = None) -> None:
        """The file is kept whole when this returns.

        The same call after an interruption sends what is missing of a large file. `timeout`, in seconds, is for
        the platform's own work once everything is there.
        """
        if self.file.size < FROM_BYTES:
            self.project.transport.put_file(self._url, self.file, report)
        else:
            self._in_chunks(timeout, report)

    @property
    def _url(self) -> str:
        folder = ("files",) if self.upload is None else ("uploads", self.upload, "files")
        return self.project.path(*folder) + inner(self.path)

    def _in_chunks(self, timeout: float, report: Report | None) -> None:
        sha256 = self.file.sha256()
        try:
            self._complete(self._sent(sha256, report), timeout)
        except Conflict as error:
            if error.code != "chunks_missing":
                raise
            # The platform's disk damaged chunks, which it then forgot: they go once more.
            self._complete(self._sent(sha256, report), timeout)

    def _sent(self, sha256: str, report: Report | None) -> _Incoming:
        incoming = self._begin(sha256)
        done = self.file.size - sum(self._length(incoming, number) for number in incoming.missing)
        with closing(self._in_flight(incoming)) as arriving:
            for sent in itertools.chain([0], arriving):
                done += sent
                if report:
                    report(done)
        return incoming

    def _begin(self, sha256: str) -> _Incoming:
        asked = {
            "upload": self.upload,
            "path": self.path,
            "size": self.file.size,
            "sha256": sha256,
            "chunk_bytes": CHUNK_BYTES,
        }
        return self.project.transport.record(_Incoming, "POST", self.project.path("incoming"), body=asked)

    def _in_flight(self, incoming: _Incoming) -> Generator[int, None, None]:
        """The lengths of the chunks as they arrive; the first that fails keeps the rest from being sent."""
        pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="hopyard-upload")
        try:
            waiting = [pool.submit(self._send_chunk, incoming, number) for number in incoming.missing]
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _send_chunk(self, incoming: _Incoming, number: int) -> int:
        url = self.project.path("incoming", incoming.id, "chunks", number)
        length = self._length(incoming, number)
        chunk = self.file.piece(number * incoming.chunk_bytes, length)
        for is_last in [False] * (TRIES - 1) + [True]:
            try:
                self.project.transport.put_bytes(url, chunk)
                break
            except TimedOut:
                if is_last:
                    raise
            except BadRequest as error:  # damaged on the way
                if error.code not in DAMAGED or is_last:
                    raise
        return length

    def _length(self, incoming: _Incoming, number: int) -> int:
        return min(incoming.chunk_bytes, self.file.size - number * incoming.chunk_bytes)

    def _complete(self, incoming: _Incoming, timeout: float) -> None:
        url = self.project.path("incoming", incoming.id, "complete")
        seconds = timeout + self.file.size / CHECKED_BYTES_PER_SECOND
        self.project.transport.json("POST", url, timeout=seconds)
