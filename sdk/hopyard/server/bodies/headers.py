"""A request's headers as user code reads them: as text, and without the API key the platform let the caller in by."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_KEY_HEADERS = (b"authorization", b"x-api-key")
_KEY = b"hop_"
_OURS = b"x-hopyard-"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_FRAMING = {
    "connection",
    "content-length",
    "content-type",
    "inference-header-content-length",
    "keep-alive",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Headers(Mapping[str, str]):
    """Names in any case; decoded when somebody looks."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        try:
            key = name.lower().encode("latin-1")
            value = self._raw[key]
        except (KeyError, UnicodeEncodeError):
            raise KeyError(name) from None
        if _is_private(key, value):
            raise KeyError(name)
        return value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return iter(as_text(self._raw))

    def __len__(self) -> int:
        return len(as_text(self._raw))


def as_text(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return headers as a dict of the caller's own, names in lower case."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in raw.items()
        if not _is_private(name, value)
    }


def lines(headers: Mapping[Any, Any]) -> bytes:
    """Return a script's own headers as lines. None can end the head early, and what tells where the body ends, or
    what it is, stays the server's.
    """
    kept = ((str(name).strip(), str(value)) for name, value in headers.items())
    return b"".join(
        _line(name, value) for name, value in kept if _TOKEN(name) and name.lower() not in _FRAMING
    )


def line_text(text: object) -> bytes:
    """Text that cannot end a header line."""
    return " ".join(str(text).splitlines()).encode("latin-1", errors="replace")


def _line(name: str, value: str) -> bytes:
    return b"%b: %b\r\n" % (name.encode("latin-1"), line_text(value))


def _is_private(name: bytes, value: bytes) -> bool:
    return name.startswith(_OURS) or (name in _KEY_HEADERS and _KEY in value)
