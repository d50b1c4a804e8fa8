"""Which Python and which packages a revision asks for."""

from typing import Any

from models_registry import storage
from models_registry.models import ProjectFile
from serving.environments import service as environments
from serving.errors import ServingError
from serving.settings import Settings

FILE = "requirements.txt"
LARGEST_BYTES = 64 * 1024


def of(wanted: Settings, script: ProjectFile) -> dict[str, Any]:
    """The columns `python`, `requirements`, `requirements_path`, `resolution` and `environment` of a revision."""
    text, path = _requirements(wanted, script)
    resolution, environment = environments.adopt(wanted.python.strip(), text)
    found = resolution or environment
    return {
        "python": found.python if found else "",
        "requirements": text,
        "requirements_path": path,
        "resolution": resolution,
        "environment": environment,
    }


def _requirements(wanted: Settings, script: ProjectFile) -> tuple[str, str]:
    """The text and, where it is that of a file beside the script, the file's path."""
    typed = wanted.requirements.replace("\r\n", "\n").strip()
    if len(typed) > LARGEST_BYTES:
        raise ServingError(
            f"The requirements may have {LARGEST_BYTES // 1024} KB; name only what the script imports.",
            field="requirements",
        )
    if typed:
        return typed, ""
    file = _beside(script)
    if file is None:
        return "", ""
    if file.blob.size > LARGEST_BYTES:
        raise ServingError(
            f"{file} has more than {LARGEST_BYTES // 1024} KB; name only what the script imports.",
            field="requirements",
        )
    try:
        text = b"".join(storage.read(file.blob)).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ServingError(f"{file} is not text in UTF-8; save it as such.", field="requirements") from None
    return text.replace("\r\n", "\n").strip(), file.project_path


def _beside(script: ProjectFile) -> ProjectFile | None:
    """The requirements.txt in the script's folder, or else at the top of its version."""
    folder, slash, _ = script.path.rpartition("/")
    own = f"{folder}{slash}{FILE}"
    places = [own] if script.version is None else [own, FILE]
    files = ProjectFile.objects.filter(project=script.project, version=script.version, path__in=places)
    found = {file.path: file for file in files.select_related("blob", "version__model")}
    return next((found[place] for place in places if place in found), None)
