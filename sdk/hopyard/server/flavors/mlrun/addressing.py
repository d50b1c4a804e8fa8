"""Which model, version and operation are meant, by URL or by what a message says itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple

ROOT = ("v2", "models")


class Address(NamedTuple):
    """An empty model is the first one, an empty version the latest."""

    model: str
    version: str
    operation: str


def address(document: Any, path: str) -> Address:
    """Return what a body and its URL's path address.

    The URL decides about the model, the body about the operation, and `infer` is what nobody named. A version
    is in the URL, in the name as `name:version`, or in the body.
    """
    given: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
    url = of_path(path)
    name = url.model or _text(given, "model")
    name, _, version = name.partition(":")
    operation = _text(given, "operation") or url.operation or "infer"
    return Address(name, url.version or version or _text(given, "version"), operation)


def of_path(path: str) -> Address:
    """Return what `/v2/models/<model>[/versions/<version>][/<operation>]` names; an operation may have slashes."""
    parts = [part for part in path.split("/") if part]
    if tuple(parts[:2]) != ROOT:
        return Address("", "", "")
    name, rest = "".join(parts[2:3]), parts[3:]
    version = ""
    if rest[:1] == ["versions"]:
        version, rest = "".join(rest[1:2]), rest[2:]
    return Address(name, version, "/".join(rest))


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    return str(value) if value else ""
