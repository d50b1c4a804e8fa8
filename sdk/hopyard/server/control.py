"""Asks the platform for documents, and gives it some: one kept connection, each call with a time limit.

For one thread. The platform may restart at any time; what a failed call means is for the caller to decide.
"""

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5.0
LONGEST_ANSWER = 1024 * 1024


class Away(OSError):
    """The platform did not answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def sentence(self) -> str:
        """What it says, short enough for a line of a log."""
        return f"{self.status} {self.body[:300].decode(errors='replace')}".strip()


class Control:
    """Documents below `base`, such as `http://172.19.0.1:8001/replicas/garden-iris-1`."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._token = token
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Return the answer, whatever its status. Raises Away.

        A kept connection may have been closed at the other end by now: what was not answered on it is asked again on
        a new one.
        """
        is_kept = self._connection is not None
        try:
            return self._ask(method, path, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not is_kept or isinstance(error, TimeoutError):
                raise Away(_why(error)) from None
        try:
            return self._ask(method, path, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Away(_why(error)) from None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        if self._connection is None:
            self._connection = connect(self._base)
        known = {"Authorization": f"Bearer {self._token}", **headers}
        self._connection.request(method, urlsplit(self._base).path + path, body, known)
        answer = self._connection.getresponse()
        text = answer.read(LONGEST_ANSWER)
        if answer.will_close or not answer.isclosed():
            self.close()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)


def connect(url: str, timeout: float = TIMEOUT_SECONDS) -> http.client.HTTPConnection:
    """A connection to the machine of a URL, opened with its first request."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"its name is not known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:g} s"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
