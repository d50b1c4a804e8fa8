"""Holds a revision's files against the project's policy on files that scanning warns of."""

from collections.abc import Iterator

from accounts.models import Project
from models_registry.models import Blob
from models_registry.safety import policy
from serving.errors import FilesRefused
from serving.models import Revision


def check(project: Project, revision: Revision) -> None:
    """Raises FilesRefused if the policy keeps one of the files from being served; what is being scanned may wait."""
    refusal = reason(project, revision)
    if refusal is not None and not is_waiting(revision):
        raise FilesRefused(refusal)


def reason(project: Project, revision: Revision) -> str | None:
    """Why the revision may not run, now or at all."""
    return policy.refusal(project, _blobs(revision))


def is_waiting(revision: Revision) -> bool:
    """Whether a file has not been scanned yet, so that a refusal may only be for now."""
    return policy.is_waiting(_blobs(revision))


def _blobs(revision: Revision) -> Iterator[Blob]:
    """Everything that a replica of the revision may load."""
    yield revision.script
    if revision.transformer is not None:
        yield revision.transformer
    if revision.artifact is not None:
        yield from (line.blob for line in revision.artifact.files.select_related("blob"))
