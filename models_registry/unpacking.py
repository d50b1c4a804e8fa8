"""Puts the files of an archive into a draft or under Resources/, all of them or none."""

from typing import BinaryIO

from accounts.access import Access
from models_registry import services
from models_registry.gathering import Gathering
from models_registry.models import ModelVersion, ProjectFile


def into_draft(*, draft: ModelVersion, source: BinaryIO, name: str, folder: str = "") -> list[ProjectFile]:
    """Unpack an archive called `name` into the draft, below `folder` (a path inside the version)."""
    with Gathering(draft.model.project) as files:
        files.unpack(source, name, folder)
        return services.add_files(draft=draft, found=files.found)


def into_resources(*, access: Access, source: BinaryIO, name: str, folder: str) -> list[ProjectFile]:
    """Unpack an archive called `name` into `folder`, which is or lies below `Resources`."""
    with Gathering(access.project) as files:
        files.unpack(source, name, folder)
        return services.save_files(access=access, found=files.found)
