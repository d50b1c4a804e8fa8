"""Puts the files of an archive into a draft or under Resources/, all of them or none."""

from typing import BinaryIO

from accounts.access import Access
from models_registry import services
from models_registry.gathering import Gathering
from models_registry.models import IncomingFile, ModelVersion, ProjectFile


def into_draft(*, draft: ModelVersion, source: BinaryIO, file: IncomingFile) -> list[ProjectFile]:
    """Unpack an archive that came in into the draft, where its own path says."""
    with Gathering(draft.model.project, instead_of=file) as files:
        files.unpack(source, *_place(file))
        return services.add_files(draft=draft, found=files.found)


def into_resources(*, access: Access, source: BinaryIO, file: IncomingFile) -> list[ProjectFile]:
    """Unpack an archive that came in into its folder, which is or lies below `Resources`."""
    with Gathering(access.project, instead_of=file) as files:
        files.unpack(source, *_place(file))
        return services.save_files(access=access, found=files.found)


def _place(file: IncomingFile) -> tuple[str, str]:
    """Name and folder of the archive."""
    folder, _, name = file.path.rpartition("/")
    return name, folder
