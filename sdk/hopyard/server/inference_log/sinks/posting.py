"""Sends inference records to the platform, where a replica may not write to its topic itself."""

from collections.abc import Iterator, Sequence

from hopyard.server.control import Away, Control

MOST_BYTES = 4 * 1024 * 1024
WRONG = (400, 413, 422)  # the platform says so of something in the post
NEVER = 410  # this replica's records are wanted no more


class Refused(Exception):
    """So many lines will never be taken; the others have been."""

    def __init__(self, reason: str, lines: int) -> None:
        super().__init__(reason)
        self.lines = lines


class Posting:
    """Posts lines of JSON to `<url>/records/`. It waits for the answers, so that it needs a thread of its own."""

    name = "the platform"

    def __init__(self, url: str, token: str) -> None:
        self._control = Control(url, token)

    def deliver(self, lines: Sequence[bytes]) -> None:
        """Returns when the platform has them. Raises Away and Refused."""
        refused, why = 0, ""
        for part in parts(lines):
            for reason in self._post(part):
                refused, why = refused + 1, reason
        if refused:
            raise Refused(why, refused)

    def close(self) -> None:
        """Let go of the connection; another post makes a new one."""
        self._control.close()

    def _post(self, part: Sequence[bytes]) -> Iterator[str]:
        """Why, for each line that the platform does not take: a line that is wrong spoils no others."""
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            reply = self._control.ask("POST", "/records/", body=b"".join(part), headers=headers)
        except Away as error:
            raise Away(f"the platform cannot be reached: {error}") from None
        if reply.status == 204:
            return
        why = f"the platform answered {reply.sentence}"
        if reply.status in WRONG and len(part) > 1:
            middle = len(part) // 2
            yield from self._post(part[:middle])
            yield from self._post(part[middle:])
        elif reply.status in (*WRONG, NEVER):
            yield from [why] * len(part)
        else:  # also what a proxy says, or a platform that is being restored: the same post may be taken later
            raise Away(why)


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
