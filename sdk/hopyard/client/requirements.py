"""Reads a requirements.txt of this machine into the settings of a serving."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopyard.client.errors import InvalidArgument

LARGEST_BYTES = 64 * 1024


def included(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the text of their `requirements_file` as `requirements`. Raises InvalidArgument."""
    found = dict(settings)
    if "requirements_file" not in found:
        return found
    if found.get("requirements"):
        raise InvalidArgument("Give either requirements, a text, or requirements_file, a path; not both.")
    return found | {"requirements": _text(Path(found.pop("requirements_file")).expanduser())}


def _text(path: Path) -> str:
    if path.is_dir() or not path.exists():
        raise InvalidArgument(f"There is no file {path} on this machine; name a requirements.txt.")
    with path.open("rb") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise InvalidArgument(f"{path} has more than 64 KB; name only what the script imports.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path} is not text in UTF-8; save it as such.") from None
