"""The signed, expiring names of what a replica may fetch: one artifact, and the scripts it runs beside it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core import signing

SALT = "hopyard.replicas.files"


class Expired(Exception):
    """The token was good once."""


class Forged(Exception):
    """It is none of ours."""


@dataclass(frozen=True)
class Contents:
    """`artifact` is a digest; `scripts` are pairs of a name without folders and a sha256."""

    artifact: str
    scripts: tuple[tuple[str, str], ...]


def make(artifact: str, scripts: Iterable[tuple[str, str]]) -> str:
    return signing.dumps({"artifact": artifact, "scripts": list(scripts)}, salt=SALT, compress=True)


def read(token: str) -> Contents:
    """Raises Expired and Forged."""
    try:
        said = signing.loads(token, salt=SALT, max_age=settings.FILES_URL_SECONDS)
    except signing.SignatureExpired as error:
        raise Expired from error
    except (signing.BadSignature, ValueError) as error:
        raise Forged from error
    return Contents(said["artifact"], tuple((name, sha256) for name, sha256 in said["scripts"]))
