"""The form of an API key, `hop_<id>_<secret>`, and its keyed digest."""

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass

from django.conf import settings

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 12
SECRET_LENGTH = 40


@dataclass(frozen=True)
class NewKey:
    """A key's parts; `text` is what the user keeps and we never store."""

    id: str
    text: str


def generate() -> NewKey:
    key_id = _random(ID_LENGTH)
    return NewKey(id=key_id, text=f"hop_{key_id}_{_random(SECRET_LENGTH)}")


def key_id(text: str) -> str | None:
    """The id inside a key of the right form, or None."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != "hop" or len(parts[1]) != ID_LENGTH:
        return None
    return parts[1]


def digest(text: str) -> str:
    return hmac.new(pepper(), text.encode(), hashlib.sha256).hexdigest()


def matches(text: str, stored_digest: str) -> bool:
    return hmac.compare_digest(digest(text), stored_digest)


def pepper() -> bytes:
    """The key of the digest, derived so that a replica can know it without knowing SECRET_KEY."""
    return hmac.new(settings.SECRET_KEY.encode(), b"hopyard api keys", hashlib.sha256).digest()


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
