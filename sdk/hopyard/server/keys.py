"""Who may predict: API keys checked against a file of keyed hashes that the platform keeps current, or the platform's
gateway alone, which has checked them.

The file is `{"pepper": hex, "internal": token, "keys": [{"id", "digest", "expires_at"}]}`, where a digest is
hex HMAC-SHA256(pepper, whole key) and a key is `hop_<id>_<secret>`.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hopyard.server.config import Config

REMEMBERED = 1024
INTERNAL = b"internal"
_PREFIX = b"hop_"
_KEY_HEADERS = (b"authorization", b"x-api-key")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    digest: bytes
    expires_at: float


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file's content. Without keys and token it refuses everybody."""

    pepper: bytes = b""
    internal: bytes = b""
    keys: Mapping[bytes, Key] | None = None


class Keys(Protocol):
    """Who is let in; `internal` is the token of the platform's own processes, empty if there is none."""

    @property
    def internal(self) -> bytes: ...
    def refresh(self) -> None: ...
    def identify(self, headers: Mapping[bytes, bytes], now: float) -> str | None: ...


def of(settings: Config) -> Keys | None:
    """Who may predict by the settings; None: everybody."""
    if settings.token:
        return GatewayToken(settings.token.encode())
    return KeyRing(settings.keys_file) if settings.keys_file else None


class GatewayToken:
    """Lets in who brings the token. Whose key it was is the gateway's word."""

    def __init__(self, token: bytes) -> None:
        self.internal = token

    def refresh(self) -> None:
        """It stays what it is."""

    def identify(self, headers: Mapping[bytes, bytes], now: float) -> str | None:
        return _named_by_gateway(headers, self.internal)


class KeyRing:
    """Checks request headers. A key seen before costs one dict lookup."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._file = KeyFile()
        self._verified: dict[bytes, Key] = {}
        self._broken = ""
        self.refresh()

    @property
    def internal(self) -> bytes:
        """The token that lets the platform's own processes in; empty if there is none."""
        return self._file.internal

    def refresh(self) -> None:
        """Read the file again if it changed; a file that cannot be read leaves the last good one in force."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._stamp:
                return
            self._file = _read(self._path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._complain(f"{type(error).__name__}: {error}")
            return
        self._stamp, self._broken = stamp, ""
        self._verified.clear()

    def identify(self, headers: Mapping[bytes, bytes], now: float) -> str | None:
        """Return the id of the caller's key, or None. `now` is in epoch seconds.

        The platform's gateway has checked the key already: it comes with the token and names the key.
        """
        for name in _KEY_HEADERS:
            given = headers.get(name)
            if given is not None:
                key = self._verified.get(given) or self._verify(given)
                if key is not None and now < key.expires_at:
                    return key.id
        return _named_by_gateway(headers, self._file.internal)

    def _verify(self, header: bytes) -> Key | None:
        text = _key_text(header)
        key = (self._file.keys or {}).get(text[len(_PREFIX) :].partition(b"_")[0])
        if key is None or not text.startswith(_PREFIX):
            return None
        digest = hmac.digest(self._file.pepper, text, hashlib.sha256)
        if not hmac.compare_digest(digest, key.digest):
            return None
        if len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[header] = key
        return key

    def _complain(self, problem: str) -> None:
        if problem != self._broken:
            held = "the keys read before stay valid" if self._stamp else "everybody is refused"
            log.error("The keys file %s cannot be read, so %s: %s", self._path, held, problem)
        self._broken = problem


def _named_by_gateway(headers: Mapping[bytes, bytes], expected: bytes) -> str | None:
    token = headers.get(b"x-hopyard-internal")
    if token and expected and hmac.compare_digest(token, expected):
        return headers.get(b"x-hopyard-caller", INTERNAL).decode("latin-1")
    return None


def _key_text(header: bytes) -> bytes:
    scheme, _, rest = header.partition(b" ")
    return rest.strip() if scheme.lower() in (b"apikey", b"bearer") else header


def _read(path: Path) -> KeyFile:
    document = json.loads(path.read_bytes())
    keys = {}
    for entry in document["keys"]:
        expires_at = entry.get("expires_at")
        key = Key(
            id=str(entry["id"]),
            digest=bytes.fromhex(entry["digest"]),
            expires_at=float("inf") if expires_at is None else float(expires_at),
        )
        keys[key.id.encode()] = key
    return KeyFile(bytes.fromhex(document["pepper"]), (document.get("internal") or "").encode(), keys)
