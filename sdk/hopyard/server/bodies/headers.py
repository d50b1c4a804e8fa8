"""A request's headers as user code reads them: as text, and without the API key the platform let the caller in by."""

from collections.abc import Iterator, Mapping

_KEY_HEADERS = (b"authorization", b"x-api-key")
_KEY = b"hop_"
_OURS = b"x-hopyard-"


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


def _is_private(name: bytes, value: bytes) -> bool:
    return name.startswith(_OURS) or (name in _KEY_HEADERS and _KEY in value)
