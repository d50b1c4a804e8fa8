"""Answers whose end is not known in advance: passed on piece by piece, as the replica sends them."""

import contextlib
import errno
import logging
from collections.abc import Generator
from typing import Self, cast

import httpx

log = logging.getLogger(__name__)


class Stream:
    """The body of a replica's answer. Whoever takes it has to close it.

    Closing ends the connection to the replica unless all has been read, and gives back what the stream holds.
    An answer that breaks off raises ConnectionResetError, which web servers answer by closing the connection
    before the end, as the replica did.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces = cast(Generator[bytes, None, None], response.iter_raw())
        self._held = contextlib.ExitStack()

    def holds(self, stack: contextlib.ExitStack) -> None:
        """Keep this until the stream is closed."""
        self._held.push(stack)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except httpx.HTTPError as error:
            log.warning("An answer broke off on its way from a replica: %s", error)
            raise ConnectionResetError(errno.ECONNRESET, "The replica's answer broke off") from error

    def close(self) -> None:
        with self._held:
            self._pieces.close()
            self._response.close()
