"""Takes free files of the project into a version that is being uploaded."""

from django.db import transaction

from models_registry import paths, queries, services
from models_registry.errors import NoSuchThing
from models_registry.models import ModelVersion


@transaction.atomic
def into_draft(*, draft: ModelVersion, source: str) -> int:
    """Copy a project file, or the children of a project folder, into a draft; return how many."""
    project = draft.model.project
    source = source.rstrip("/")
    found = queries.children(project, source)
    if not found:
        raise NoSuchThing(f"There is nothing at {source} in {project}.")
    relative = paths.project_relative(source, project.name)
    inside = [
        (
            file.path.rsplit("/", 1)[-1] if file.path == relative else file.path.removeprefix(f"{relative}/"),
            file.blob,
        )
        for file in found
    ]
    services.add_files(draft=draft, found=inside)
    return len(found)
