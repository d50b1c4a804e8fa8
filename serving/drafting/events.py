"""Checks where CloudEvents of a serving's calls are sent to."""

from urllib.parse import urlsplit

from serving.errors import ServingError
from serving.settings import Settings

LONGEST_URL = 500


def check(wanted: Settings) -> None:
    """Raises ServingError if the address is none that events can be posted to."""
    address = wanted.events_url
    wrong = _wrong_with(address) if address else ""
    if wrong:
        raise ServingError(f"The address for events {wrong}", field="events_url")


def _wrong_with(address: str) -> str:
    if len(address) > LONGEST_URL:
        return f"has more than {LONGEST_URL} characters."
    if not address.isascii() or not address.isprintable() or " " in address:
        return "may have only printable characters of ASCII; write others as %XX."
    try:
        parts = urlsplit(address)
        has_port = parts.port != 0
    except ValueError as error:
        return f"is none: {error}."
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        return "begins with http:// or https:// and names a machine, such as http://collector:8080/events."
    if parts.username is not None or parts.password is not None:
        return "holds a name or password, which everybody who sees the serving could read; leave it out."
    return "has a # in it, which is never sent; leave it out." if parts.fragment else ""
