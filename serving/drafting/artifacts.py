"""Which artifact a revision starts from: MODEL-ONLY, an existing number, or the next one."""

from models_registry import artifacts, paths
from models_registry.errors import RegistryError
from models_registry.models import Artifact
from serving.errors import ServingError
from serving.models import Revision
from serving.settings import CREATE, MODEL_ONLY

ASKS_FOR_A_NEW_ONE = {None, "", -1, CREATE}
LONGEST_NUMBER = 10
ASKS_FOR_MODEL_ONLY = {0, MODEL_ONLY}


def known(draft: Revision, asked: str | int | None, current: Revision | None) -> Artifact | None:
    """The artifact if it exists already; None if `give` is to build the next number. Raises ServingError."""
    asked = _read(asked)
    if draft.transformer is None:
        if asked in ASKS_FOR_A_NEW_ONE | ASKS_FOR_MODEL_ONLY:
            return artifacts.model_only(version=draft.model_version)
        raise ServingError(
            f"Artifact {asked} goes with a transformer; name its transformer, or write MODEL-ONLY.",
            field="artifact_version",
        )
    if asked in ASKS_FOR_MODEL_ONLY:
        raise ServingError(
            "MODEL-ONLY is for servings without a transformer; write CREATE, or leave the transformer out.",
            field="artifact_version",
        )
    if asked in ASKS_FOR_A_NEW_ONE:
        return _same_as_now(draft, current)
    return _existing(draft, int(asked or 0))


def give(draft: Revision) -> None:
    """Build the numbered artifact that the draft still lacks."""
    if draft.artifact is None and draft.transformer is not None:
        try:
            draft.artifact = artifacts.with_transformer(
                version=draft.model_version, name=draft.transformer_name, blob=draft.transformer
            )
        except RegistryError as error:
            raise ServingError(str(error), field="transformer") from None


def _read(asked: str | int | None) -> str | int | None:
    if isinstance(asked, str):
        asked = asked.strip().upper()
        if asked.lstrip("-").isdecimal() and asked.isascii() and len(asked) < LONGEST_NUMBER:
            asked = int(asked)
    is_number = isinstance(asked, int) and 0 < asked < 10**LONGEST_NUMBER
    if asked in ASKS_FOR_A_NEW_ONE | ASKS_FOR_MODEL_ONLY or is_number:
        return asked
    raise ServingError(
        f"Write CREATE, MODEL-ONLY or the number of an artifact, not {str(asked)[:40]!r}.",
        field="artifact_version",
    )


def _same_as_now(draft: Revision, current: Revision | None) -> Artifact | None:
    """What the serving starts from now, if a new artifact would hold the same."""
    now = current.artifact if current is not None else None
    if now is None or now.version_id != draft.model_version_id or draft.transformer is None:
        return None
    manifest = artifacts.manifest_of(draft.model_version, (draft.transformer_name, draft.transformer))
    return now if artifacts.digest_of(manifest) == now.digest else None


def _existing(draft: Revision, number: int) -> Artifact:
    try:
        found = artifacts.numbered(draft.model_version, number)
    except RegistryError as error:
        raise ServingError(str(error), field="artifact_version") from None
    if "/" in draft.transformer_path:
        raise ServingError(
            f"Artifact {number} does not change; name the transformer that it holds, {found.transformer}, without a "
            "folder, or write CREATE for a new artifact.",
            field="artifact_version",
        )
    _take_script_from(found, draft)
    return found


def _take_script_from(artifact: Artifact, draft: Revision) -> None:
    """A script of the version is that of the artifact, whatever the version holds by now."""
    inside = paths.in_version(draft.script_path)
    version = draft.model_version
    if inside is None or (inside.model, inside.number) != (version.model.name, version.number):
        return
    line = artifact.files.select_related("blob").filter(path=inside.inside).first()
    if line is None:
        raise ServingError(
            f"Artifact {artifact.number} was built without {inside.inside}; write CREATE for a new one.",
            field="artifact_version",
        )
    draft.script = line.blob
