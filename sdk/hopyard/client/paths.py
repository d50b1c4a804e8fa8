"""Paths in a project and paths in a URL."""

from __future__ import annotations

import re
from urllib.parse import quote

from hopyard.client.errors import InvalidArgument

PROJECT_ROOT = re.compile(r"^(?:hdfs://[^/]*)?/Projects/[^/]+/")
FOLDERS = ("Resources/", "Models/")
IN_MODELS = re.compile(r"^Models/(?P<model>[^/]+)/(?P<version>[1-9][0-9]*)/.+$")


def segment(value: str | int) -> str:
    """One part of a URL's path, quoted; refuses what would change which path it is."""
    text = str(value)
    if text in ("", ".", ".."):
        raise InvalidArgument(f"{text!r} cannot be a name.")
    return quote(text, safe="")


def inner(path: str) -> str:
    """A path of several parts inside a URL, quoted."""
    return "/".join(segment(part) for part in path.split("/"))


def in_project(path: str) -> str:
    """A path as the project knows it: Hopsworks' `/Projects/<project>/Models/...` becomes `Models/...`."""
    return re.sub(r"/{2,}", "/", PROJECT_ROOT.sub("", path.strip())).removeprefix("./").lstrip("/")


def is_in_project(path: str) -> bool:
    return in_project(path).startswith(FOLDERS)


def model_of(script: str) -> tuple[str, int] | None:
    """Model and version of a script at `Models/<model>/<version>/...`, or None when it lies elsewhere."""
    found = IN_MODELS.match(in_project(script))
    return (found["model"], int(found["version"])) if found else None
