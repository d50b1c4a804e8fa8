"""Posts one CloudEvent after the other to a collector, on a connection that is kept."""

import http.client
from urllib.parse import urlsplit

from hopyard.server.control import connect
from hopyard.server.inference_log.pairs import Event

TIMEOUT_SECONDS = 5.0
LONGEST_ANSWER = 64 * 1024


class NotTaken(Exception):
    """The collector did not take an event. `may_pass`: whether it may take it later."""

    def __init__(self, reason: str, *, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class Collector:
    """For one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection: http.client.HTTPConnection | None = None

    def post(self, event: Event) -> None:
        """Returns when the collector has it. Raises NotTaken. A kept connection may have been closed at the other end
        by now, so that what fails on it is posted again on a new one.
        """
        is_kept = self._connection is not None
        try:
            self._post(event)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not is_kept or isinstance(error, TimeoutError):
                raise NotTaken(_why(error), may_pass=True) from None
            self.post(event)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _post(self, event: Event) -> None:
        if self._connection is None:
            self._connection = connect(self._url, TIMEOUT_SECONDS)
        self._connection.request("POST", self._target, event.body, dict(event.headers))
        answer = self._connection.getresponse()
        answer.read(LONGEST_ANSWER)
        if answer.will_close or not answer.isclosed():
            self.close()
        if not 200 <= answer.status < 300:
            may_pass = answer.status in (408, 425, 429) or answer.status >= 500
            raise NotTaken(f"it answered {answer.status} {answer.reason}".strip(), may_pass=may_pass)


def place_of(url: str) -> str:
    """An address without what may be a secret in it: its user, its password and its query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:g} s"
    return str(error) or type(error).__name__
