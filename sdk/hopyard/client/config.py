"""Which platform, key and project: from arguments, the environment, or the file `hopyard login` writes."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hopyard.client.errors import ConfigurationError

MISSING = (
    "No {what} to work with. Pass {argument}= to Client or hopyard.connect, or set {variable}, "
    "or run `hopyard login` (it writes {path})."
)


@dataclass(frozen=True)
class Configuration:
    url: str
    api_key: str
    project: str


def resolve(url: str | None = None, api_key: str | None = None, project: str | None = None) -> Configuration:
    """The argument wins over the environment, which wins over the file.

    The file is one login: its key and project count only for its own address, so that a key never
    travels to a platform it was not made for.

    Raises ConfigurationError when something is missing or cannot be right.
    """
    saved = load()
    address = url or os.environ.get("HOPYARD_URL") or (saved.url if saved else "")
    address = clean_url(_present(address, "address", "url"))
    if saved and clean_url(saved.url) != address:
        saved = None
    key = api_key or os.environ.get("HOPYARD_API_KEY") or (saved.api_key if saved else "")
    name = project or os.environ.get("HOPYARD_PROJECT") or (saved.project if saved else "")
    return Configuration(
        url=address,
        api_key=clean_key(_present(key, "API key", "api_key")),
        project=_present(name, "project", "project"),
    )


def _present(value: str, what: str, argument: str) -> str:
    if not value.strip():
        variable = f"HOPYARD_{argument.upper()}"
        raise ConfigurationError(MISSING.format(what=what, argument=argument, variable=variable, path=path()))
    return value.strip()


def clean_url(url: str) -> str:
    """The platform's address without what people copy along with it: a slash, or /api."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise ConfigurationError(f"{url!r} is not an address: write it like http://localhost:8000")
    return url.strip().split("?")[0].rstrip("/").removesuffix("/api")


def clean_key(api_key: str) -> str:
    key = api_key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError("The API key holds spaces or characters that no key has: copy it again.")
    return key


def path() -> Path:
    if explicit := os.environ.get("HOPYARD_CONFIG"):
        return Path(explicit)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "hopyard" / "config.json"


def load() -> Configuration | None:
    """What `hopyard login` saved, or None."""
    try:
        stored = json.loads(path().read_text(encoding="utf-8"))
        return Configuration(**{name: str(stored[name]) for name in ("url", "api_key", "project")})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path()} is not readable as a saved login: run `hopyard login` again."
        ) from error


def save(configuration: Configuration) -> Path:
    """Write the login for its owner's eyes only, whole or not at all."""
    target = path()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False, encoding="utf-8") as draft:
        json.dump(asdict(configuration), draft, indent=2)  # tempfile makes it 0600
    Path(draft.name).replace(target)
    return target


def forget() -> bool:
    """Remove the saved login; says whether there was one."""
    existed = path().exists()
    path().unlink(missing_ok=True)
    return existed
