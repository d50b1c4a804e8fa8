"""Under which names a project knows some bytes: its files, the files of its artifacts, the scripts of its servings."""

from collections.abc import Iterable

from accounts.models import Project
from models_registry.models import ArtifactFile, Blob, ProjectFile


def paths(project: Project, blobs: Iterable[str]) -> dict[str, str]:
    """One path for each sha256 that the project knows, the newest file's where there are several."""
    wanted = set(blobs)
    lines = ArtifactFile.objects.filter(artifact__version__model__project=project, blob__in=wanted)
    names = {
        line.blob_id: f"{line.path} of artifact {line.artifact}"
        for line in lines.select_related("artifact__version__model")
    }
    files = ProjectFile.objects.filter(project=project, blob__in=wanted).select_related("version__model")
    names |= {file.blob_id: file.project_path for file in files.order_by("updated_at")}
    return names


def knows(project: Project, sha256: str) -> bool:
    """Whether some file, artifact or serving of the project is made of these bytes."""
    files = ProjectFile.objects.filter(project=project, blob=sha256)
    lines = ArtifactFile.objects.filter(artifact__version__model__project=project, blob=sha256)
    scripts = Blob.objects.filter(sha256=sha256, revision__serving__project=project)
    return files.exists() or lines.exists() or scripts.exists()
