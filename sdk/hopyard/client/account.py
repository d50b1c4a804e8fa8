"""Who is asking: a key for a user, and the user behind a key."""

from __future__ import annotations

from dataclasses import dataclass, field

from hopyard.client.config import Configuration, clean_key, clean_url
from hopyard.client.errors import ConfigurationError
from hopyard.client.transport import Transport

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Membership:
    name: str
    role: str = ""


@dataclass(frozen=True)
class Key:
    """An API key without its secret."""

    id: str | int
    project: str | None = None
    scopes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Identity:
    """Whose key this is, and the projects it reaches."""

    username: str
    projects: list[Membership] = field(default_factory=list)
    key: Key | None = None


@dataclass(frozen=True)
class NewKey:
    """A key just made; `key` is the secret, and is shown this once."""

    key: str = field(repr=False)
    project: str | None = None
    scopes: list[str] = field(default_factory=list)


def identify(transport: Transport) -> Identity:
    return transport.record(Identity, "GET", "/api/me/")


def log_in(*, url: str, username: str, password: str, project: str, key_name: str) -> Configuration:
    """Exchange a password for a new API key. Raises NotAuthenticated or Forbidden when it is refused."""
    transport = Transport(clean_url(url), None, TIMEOUT_SECONDS)
    asked = {"username": username, "password": password, "project": project, "name": key_name}
    try:
        made = transport.record(NewKey, "POST", "/api/login/", body=asked)
    finally:
        transport.close()
    return Configuration(transport.url, made.key, made.project or project)


def log_in_with_key(*, url: str, api_key: str, project: str | None) -> tuple[Configuration, Identity]:
    """Check a key the user already has; the project may be the key's own or the only one it reaches."""
    key = clean_key(api_key)
    transport = Transport(clean_url(url), key, TIMEOUT_SECONDS)
    try:
        identity = identify(transport)
    finally:
        transport.close()
    return Configuration(transport.url, key, project or _only_project(identity)), identity


def _only_project(identity: Identity) -> str:
    if identity.key and identity.key.project:
        return identity.key.project
    names = [membership.name for membership in identity.projects]
    if len(names) != 1:
        raise ConfigurationError(f"Say which project: this key reaches {', '.join(names) or 'none'}.")
    return names[0]
