"""Which part of a file a request asks for (RFC 9110, section 14). Pure."""

import re

ONE_RANGE = re.compile(
    r"bytes=\s*(?:(?P<first>\d{1,19})-(?P<last>\d{1,19})?|-(?P<count>\d{1,19}))\s*", re.ASCII
)


class Unsatisfiable(Exception):
    """The file has nothing of what was asked for."""


def wanted(asked: str, size: int, *, condition: str = "", etag: str) -> range | None:
    """The positions that the header `Range` asks for, or None for the whole file.

    Headers that are malformed or ask for several ranges are ignored, as is one whose `If-Range` names other bytes.
    """
    match = ONE_RANGE.fullmatch(asked)
    if match is None or (condition and condition != etag):
        return None
    if match["count"] is not None:
        found = range(max(0, size - int(match["count"])), size)
    else:
        first, last = int(match["first"]), int(match["last"] or size)
        if match["last"] and last < first:
            return None
        found = range(first, min(last + 1, size))
    if not found:
        raise Unsatisfiable
    return found
