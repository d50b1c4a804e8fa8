"""Which file paths are accepted, and what a project path such as `Models/iris/1/knn.pkl` means."""

import re
import unicodedata
from dataclasses import dataclass

MODELS = "Models"
RESOURCES = "Resources"
LONGEST = 500
LONGEST_NAME = 200
VERSIONED = re.compile(
    r"Models/(?P<model>[a-zA-Z0-9_]+)/(?P<number>[1-9][0-9]{0,8})/(?P<inside>.+)", re.ASCII
)


class BadPath(ValueError):
    """The path cannot name a file of the project; the text says why."""


@dataclass(frozen=True)
class InVersion:
    """A path inside a model version, `inside` being relative to the version's folder."""

    model: str
    number: int
    inside: str


def clean(path: str) -> str:
    """Return `path` unchanged (but NFC) if it is a plain relative path, else raise BadPath."""
    path = unicodedata.normalize("NFC", path)
    if not path:
        raise BadPath("The file has no name.")
    if len(path) > LONGEST:
        raise BadPath(f"A path has at most {LONGEST} characters; this one has {len(path)}.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in path):
        raise BadPath("A path may not hold control characters.")
    if "\\" in path:
        raise BadPath(f"Write {path!r} with forward slashes.")
    if path.startswith("/"):
        raise BadPath(
            f"{path!r} is absolute; give a path inside the project, such as Models/iris/1/model.pkl."
        )
    for part in path.split("/"):
        _check_part(part, path)
    return path


def _check_part(part: str, path: str) -> None:
    if part in {"", ".", ".."}:
        raise BadPath(f"{path!r} must stay inside its folder: no empty part, no “.” and no “..”.")
    if len(part.encode()) > LONGEST_NAME:
        raise BadPath(f"{part[:40]!r}… is longer than {LONGEST_NAME} bytes; choose a shorter file name.")


def project_relative(path: str, project: str) -> str:
    """Accept Hopsworks' absolute form `/Projects/<project>/…` as well, and clean the rest."""
    return clean(path.removeprefix(f"/Projects/{project}/"))


def in_version(path: str) -> InVersion | None:
    """Split `Models/<name>/<version>/<file>`, or None for any other path."""
    match = VERSIONED.fullmatch(path)
    if match is None:
        return None
    return InVersion(match["model"], int(match["number"]), match["inside"])


def resource(path: str) -> str:
    """A cleaned path of a free file, which lives under `Resources/`."""
    path = clean(path)
    if not path.startswith(f"{RESOURCES}/"):
        raise BadPath(
            f"Put {path!r} under {RESOURCES}/; files under {MODELS}/ come with a model version, by exporting it."
        )
    return path
