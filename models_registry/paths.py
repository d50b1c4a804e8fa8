"""Which file paths are accepted, and what a project path such as `Models/iris/1/knn.pkl` means."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MODELS = "Models"
RESOURCES = "Resources"
ARTIFACTS = "artifacts"
LONGEST = 500
LONGEST_NAME = 200
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # among them what makes a name read backwards
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
    if any(unicodedata.category(character) in UNSEEN for character in path):
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


def folded(path: str) -> str:
    """What systems that ignore case and spellings of a letter take the path for."""
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


class Tree:
    """The paths of one place; refuses a new one that not every system could keep apart from them."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}
        for path in known:
            self._keep(path)

    def __contains__(self, path: str) -> bool:
        return self.files.get(folded(path)) == path

    def __len__(self) -> int:
        return len(self.files)

    def add(self, path: str) -> None:
        """Take in the path of a new file, or raise BadPath."""
        if there := self.files.get(folded(path)):
            if there == path:
                raise BadPath(f"{path!r} comes twice; keep one of them.")
            raise BadPath(
                f"{path!r} and {there!r} differ only in case, and many systems could keep just one of them; "
                "rename one."
            )
        if folded(path) in self.folders:
            raise BadPath(_both(path))
        self.add_folder(path.rpartition("/")[0])
        self._keep(path)

    def add_folder(self, path: str) -> None:
        """Take in a folder, which may be there already, or raise BadPath."""
        for folder in _upwards(path):
            if there := self.files.get(folded(folder)):
                raise BadPath(_both(there))
        for folder in _upwards(path):
            self.folders.setdefault(folded(folder), folder)

    def _keep(self, path: str) -> None:
        self.files[folded(path)] = path
        for folder in _upwards(path.rpartition("/")[0]):
            if folded(folder) in self.folders:
                break
            self.folders[folded(folder)] = folder


def added_to(tree: Tree, path: str) -> str:
    """The cleaned path of a file of a version; one that is there already is replaced, not refused."""
    path = clean(path)
    if path.split("/")[0].casefold() == ARTIFACTS:
        raise BadPath("The folder Artifacts of a version is the platform's own; use another name.")
    if path not in tree:
        tree.add(path)
    return path


def _upwards(folder: str) -> Iterable[str]:
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _both(path: str) -> str:
    return f"{path!r} would be a file and a folder at once."
