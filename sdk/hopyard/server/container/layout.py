"""Where the files of a replica lie in its container.

Three folders, known by the settings: the artifact (HOPYARD_MANIFEST_DIR), which is what was registered and nothing
else; the start folder (that of HOPYARD_MANIFEST), with the manifest and in `scripts/` what runs but is no file of the
artifact; and the working directory (HOPYARD_ARTIFACT_DIR) with links to all of it, which the script may write to.
The first two are mounted, or fetched now.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hopyard.server.config import Config
from hopyard.server.failures import Failure

SCRIPTS = "scripts"


@dataclass(frozen=True, slots=True)
class Places:
    """The three folders."""

    artifact: Path
    start: Path
    work: Path

    @classmethod
    def of(cls, settings: Config) -> "Places":
        """Raises Failure ConfigurationInvalid."""
        if settings.manifest_dir is None or settings.manifest is None or settings.artifact_dir is None:
            names = "HOPYARD_MANIFEST_DIR, HOPYARD_MANIFEST and HOPYARD_ARTIFACT_DIR"
            raise Failure("ConfigurationInvalid", f"A container needs {names}; set all of them.")
        return cls(settings.manifest_dir, settings.manifest.parent, settings.artifact_dir)


def lay_out(settings: Config) -> None:
    """Fetch what has to be fetched, and fill the working directory. Raises Failure."""
    places = Places.of(settings)
    if settings.files_url:
        # Only some need it, and it takes a while.
        from hopyard.server.container.fetching import fetch

        fetch(
            settings.files_url,
            {"artifact": places.artifact, "start": places.start},
            seconds=settings.fetch_seconds,
        )
    try:
        mirror(places.artifact, places.work)
        copy(places.start / SCRIPTS, places.work)
    except OSError as error:
        raise Failure(
            "FilesNotLaidOut",
            f"The working directory could not be filled ({error.strerror}: {error.filename}); "
            "if it is full, give the serving more memory.",
        ) from None


def mirror(source: Path, target: Path) -> None:
    """Give `target` the folders of `source` and links to its files: what is written there stays there."""
    for folder, _, names in os.walk(source):
        inside = target / Path(folder).relative_to(source)
        inside.mkdir(parents=True, exist_ok=True)
        for name in names:
            _replace(inside / name).symlink_to(Path(folder) / name)


def copy(source: Path, target: Path) -> None:
    """Copy the files of a folder, if it is there, in place of links of their names."""
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        shutil.copyfile(path, _replace(target / path.name))


def _replace(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path
