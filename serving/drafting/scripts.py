"""Finds the model version, the script and the transformer that settings mean."""

import re
from dataclasses import dataclass

from accounts.models import Project
from models_registry import artifacts, paths
from models_registry import queries as registry
from models_registry.errors import RegistryError
from models_registry.models import Blob, ModelVersion, ProjectFile
from serving.errors import ServingError
from serving.models import Revision
from serving.settings import Settings


@dataclass(frozen=True)
class Transformer:
    """`path` is the project path it was given by, or a bare name for one that lies in an artifact already."""

    path: str
    blob: Blob

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def version_and_script(
    project: Project, wanted: Settings, current: Revision | None
) -> tuple[ModelVersion, ProjectFile]:
    """The version that is asked for, by number, by alias, or by the script's path; and the script.

    A script among the model's own files follows an alias into the version that it names; one that is in use stays
    usable when its file has been deleted.
    """
    _check_name(wanted.script, "script")
    inside = _inside(project, wanted.script, field="script")
    if not wanted.alias:
        file = _in_use(project, wanted.script, current) or _file(project, wanted.script, "script")
        found = _version(project, wanted, inside)
        _check_is_its_own(found, inside)
        return found, file
    found = _version(project, wanted, inside)
    is_elsewhere = inside is None or inside.model != found.model.name
    path = wanted.script if is_elsewhere or inside is None else f"{found.folder}/{inside.inside}"
    return found, _in_use(project, path, current) or _file(project, path, "script")


def transformer(
    project: Project, wanted: Settings, version: ModelVersion, current: Revision | None
) -> Transformer | None:
    """The transformer, if there is to be one; a bare name is that of the artifact asked for, or of the one in use."""
    path = wanted.transformer.strip()
    if not path:
        return None
    _check_name(path, "transformer")
    if "/" not in path:
        return _kept_transformer(wanted, version, current)
    inside = _inside(project, path, field="transformer")
    if wanted.alias and inside and (inside.model, inside.number) != (version.model.name, version.number):
        path = f"{version.folder}/{inside.inside}" if inside.model == version.model.name else path
    file = _file(project, path, "transformer")
    return Transformer(file.project_path, file.blob)


def _version(project: Project, wanted: Settings, inside: paths.InVersion | None) -> ModelVersion:
    model = wanted.model or (inside.model if inside else None)
    if not model:
        raise ServingError(
            "Say which model to serve; it can be left out only for a script at Models/<model>/<version>/<file>.py.",
            field="model",
        )
    try:
        if wanted.alias:
            return _by_alias(project, model, wanted)
        number = wanted.model_version or (inside.number if inside and inside.model == model else None)
        if number is None:
            return registry.latest_version(project, model)
        return registry.version(project, model, number)
    except RegistryError as error:
        is_known = registry.models(project).filter(name=model).exists()
        field = "alias" if wanted.alias else "model_version"
        raise ServingError(str(error), field=field if is_known else "model") from None


def _check_is_its_own(found: ModelVersion, inside: paths.InVersion | None) -> None:
    if inside is not None and inside.model == found.model.name and inside.number != found.number:
        raise ServingError(
            f"The script belongs to version {inside.number} of {inside.model}, but version {found.number} is to be "
            f"served; choose the script of version {found.number}, or serve version {inside.number}.",
            field="model_version",
        )


def _by_alias(project: Project, model: str, wanted: Settings) -> ModelVersion:
    found = registry.alias(registry.model(project, model), wanted.alias).version
    if wanted.model_version not in {None, found.number}:
        raise ServingError(
            f"{wanted.alias} is version {found.number} of {model}, not {wanted.model_version}; give either the alias "
            "or the version.",
            field="model_version",
        )
    return found


def _kept_transformer(wanted: Settings, version: ModelVersion, current: Revision | None) -> Transformer:
    name = wanted.transformer.strip()
    number = wanted.artifact_version
    if isinstance(number, str) and re.fullmatch("[1-9][0-9]{0,8}", number):
        number = int(number)
    if isinstance(number, int) and 0 < number < 10**9:
        try:
            artifact = artifacts.numbered(version, number)
        except RegistryError as error:
            raise ServingError(str(error), field="artifact_version") from None
        if artifact.transformer != name:
            sentence = f"Artifact {number} holds the transformer {artifact.transformer}, not {name}."
            raise ServingError(sentence, field="transformer")
        line = artifact.files.select_related("blob").get(path=artifacts.transformer_path(name))
        return Transformer(name, line.blob)
    if current is not None and current.transformer is not None and current.transformer_path == name:
        return Transformer(name, current.transformer)
    raise ServingError(
        f"There is no transformer {name} here; give the path of a file, such as Resources/{name}, or with its bare "
        "name the number of an artifact that holds it.",
        field="transformer",
    )


def _in_use(project: Project, path: str, current: Revision | None) -> ProjectFile | None:
    """The free script of the current revision, if its file is gone."""
    if current is None or path != current.script_path or paths.in_version(path) is not None:
        return None
    if ProjectFile.objects.filter(project=project, version=None, path=path).exists():
        return None
    return ProjectFile(project=project, path=path, blob=current.script)


def _check_name(path: str, field: str) -> None:
    if not path.endswith(".py"):
        raise ServingError(f"The {field} must be a Python file; {path!r} does not end in .py.", field=field)


def _inside(project: Project, path: str, *, field: str) -> paths.InVersion | None:
    try:
        return paths.in_version(paths.project_relative(path, project.name))
    except paths.BadPath as error:
        raise ServingError(str(error), field=field) from None


def _file(project: Project, path: str, field: str) -> ProjectFile:
    try:
        return registry.file(project, path)
    except RegistryError:
        raise ServingError(
            f"There is no {field} {path} in {project}; export it with its model, or upload it to Resources/.",
            field=field,
        ) from None
