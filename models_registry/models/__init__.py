"""Models, versions, the files of a project, artifacts and safety reports."""

from models_registry.models.artifacts import Artifact, ArtifactFile
from models_registry.models.files import Blob, IncomingChunk, IncomingFile, Leftover, ProjectFile
from models_registry.models.safety import Approval, FileReport
from models_registry.models.versions import Alias, ModelVersion, RegisteredModel, alias_name, model_name

__all__ = [
    "Alias",
    "Approval",
    "Artifact",
    "ArtifactFile",
    "Blob",
    "FileReport",
    "IncomingChunk",
    "IncomingFile",
    "Leftover",
    "ModelVersion",
    "ProjectFile",
    "RegisteredModel",
    "alias_name",
    "model_name",
]
