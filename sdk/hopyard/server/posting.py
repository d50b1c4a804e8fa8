"""Sends inference records to the platform, where no directory of topics is shared with it."""

import time
from collections.abc import Callable, Iterator, Sequence

from hopyard.server.control import Away, Control, Reply
from hopyard.server.inference_log import Lost

MOST_BYTES = 4 * 1024 * 1024
PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0)  # between the tries of one post, in seconds


class PostingSink:
    """Posts lines to `<url>/records/`; used by the log's own thread, so that it may wait. A platform that is away or
    busy is asked again some times, while the queue behind takes what comes as long as it has room.
    """

    def __init__(self, url: str, token: str, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._control = Control(url, token)
        self._sleep = sleep

    def append(self, lines: list[bytes]) -> None:
        """Raises Lost, which counts the lines that the platform did not take."""
        lost, why = 0, ""
        for part in parts(lines):
            try:
                self._post(part)
            except Lost as error:
                lost, why = lost + error.lines, str(error)
        if lost:
            raise Lost(why, lost)

    def close(self) -> None:
        """Let go of the connection; another post makes a new one."""
        self._control.close()

    def _post(self, part: Sequence[bytes]) -> None:
        body = b"".join(part)
        why = ""
        for pause in (*PAUSES, None):
            try:
                reply = self._control.ask(
                    "POST", "/records/", body=body, headers={"Content-Type": "application/x-ndjson"}
                )
            except Away as error:
                why = f"the platform cannot be reached: {error}"
            else:
                if reply.status == 204:
                    return
                why = f"the platform answered {reply.sentence}"
                if not _may_pass(reply):
                    break
            if pause is not None:
                self._sleep(pause)
        raise Lost(why, len(part))


def parts(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The lines in runs that are small enough to be posted, in order; a line alone may be larger."""
    start = size = 0
    for number, line in enumerate(lines):
        if size and size + len(line) > MOST_BYTES:
            yield lines[start:number]
            start, size = number, 0
        size += len(line)
    if start < len(lines):
        yield lines[start:]


def _may_pass(reply: Reply) -> bool:
    """Whether the same post may be taken later."""
    return reply.status in (408, 425, 429) or reply.status >= 500
