"""Two revisions of a serving side by side: every setting, the scripts and requirements as texts, files and packages."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from models_registry import storage
from models_registry.models import Artifact, Blob
from models_registry.versions import comparing
from models_registry.versions.comparing import Change, FileChange, State, TextDiff
from serving import queries
from serving.environments import locks
from serving.errors import NoSuchServing
from serving.models import Environment, Revision, Serving
from serving.settings import SNAPSHOT, label

HIDDEN = "hidden"
NOT_TEXT = "It is no plain text, or too long to be compared here; download both."

# Columns that are shown together; the first names the row.
TOGETHER = {
    "script_path": ("script_id",),
    "transformer_path": ("transformer_id",),
    "requirements": ("requirements_path",),
    "environment_id": ("resolution_id",),
}
_BELONGING = {name for names in TOGETHER.values() for name in names}
ROWS = {name: (name, *TOGETHER.get(name, ())) for name in SNAPSHOT if name not in _BELONGING | {"variables"}}


@dataclass(frozen=True)
class Comparison:
    """From revision `a` to revision `b`; `settings` and `variables` hold what is the same as well."""

    a: Revision
    b: Revision
    settings: list[Change]
    variables: list[Change]
    texts: dict[str, TextDiff]
    files: list[FileChange]
    packages: list[Change]

    @property
    def before_label(self) -> str:
        return f"Revision {self.a.number}"

    @property
    def after_label(self) -> str:
        return f"Revision {self.b.number}"

    @property
    def changed_settings(self) -> list[Change]:
        return _changed(self.settings)

    @property
    def same_settings(self) -> list[Change]:
        return [each for each in self.settings if each.state == State.SAME]

    @property
    def changed_variables(self) -> list[Change]:
        return _changed(self.variables)

    @property
    def changed_files(self) -> list[FileChange]:
        return [each for each in self.files if each.state != State.SAME]

    @property
    def same_files(self) -> int:
        return len(self.files) - len(self.changed_files)

    @property
    def is_same(self) -> bool:
        """Whether both would run the very same."""
        return not self.changed_settings and not self.changed_variables


def pair(serving: Serving, a: str, b: str) -> tuple[Revision, Revision]:
    """The revisions with these numbers; `b` may be left empty for the current one, `a` for the one before `b`.

    Raises NoSuchServing.
    """
    after = _numbered(serving, b) if b else serving.current
    if a:
        return _numbered(serving, a), after
    before = queries.revisions(serving).filter(number__lt=after.number).first()
    return before or after, after


def compare(a: Revision, b: Revision, *, with_values: bool) -> Comparison:
    """What is different in `b`; the values of environment variables only `with_values`."""
    return Comparison(
        a=a,
        b=b,
        settings=[_setting(name, a, b) for name in ROWS],
        variables=[_variable(each, with_values) for each in comparing.values(a.variables, b.variables)],
        texts=_texts(a, b),
        files=comparing.files(_files(a.artifact), _files(b.artifact)),
        packages=comparing.packages(_packages(a.environment), _packages(b.environment)),
    )


def _numbered(serving: Serving, number: str) -> Revision:
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise NoSuchServing(f"{serving} has no revision {number[:20]!r}; give its number.")
    return queries.revision(serving, int(number))


def _changed(changes: list[Change]) -> list[Change]:
    return [each for each in changes if each.state != State.SAME]


def _setting(name: str, a: Revision, b: Revision) -> Change:
    is_same = all(getattr(a, column) == getattr(b, column) for column in ROWS[name])
    state = State.SAME if is_same else State.CHANGED
    return Change(label(name), state, _shown(name, a), _shown(name, b))


def _shown(name: str, revision: Revision) -> Any:
    """A setting as people read it; None where there is none."""
    if name in _WORDS:
        return _WORDS[name](revision)
    display = getattr(revision, f"get_{name}_display", None)
    value = display() if display else getattr(revision, name)
    return None if value == "" else value


def _variable(change: Change, with_values: bool) -> Change:
    if with_values:
        return change
    before, after = (None if value is None else HIDDEN for value in (change.before, change.after))
    return replace(change, before=before, after=after)


def _script(path: str, sha256: str | None) -> str | None:
    return f"{path}\nsha256 {sha256[:12]}" if sha256 else None


def _requirements(revision: Revision) -> str:
    if not revision.requirements:
        return "the platform's own packages"
    count = len(revision.requirements.splitlines())
    return f"{revision.requirements_path or 'typed'}, {count} line{'' if count == 1 else 's'}"


def _environment(revision: Revision) -> str | None:
    found = revision.environment
    if found is None:
        return None
    return found.key[:12] + (f", {found.package_count} packages" if found.package_count else "")


def _artifact(revision: Revision) -> str | None:
    found = revision.artifact
    return f"{found.name} ({found.label})\n{found.digest[:12]}" if found else None


_WORDS: dict[str, Callable[[Revision], str | None]] = {
    "model_version_id": lambda each: f"{each.model_version.model.name}@{each.model_version.number}",
    "script_path": lambda each: _script(each.script_path, each.script_id),
    "transformer_path": lambda each: _script(each.transformer_path, each.transformer_id),
    "requirements": _requirements,
    "environment_id": _environment,
    "artifact_id": _artifact,
}


def _texts(a: Revision, b: Revision) -> dict[str, TextDiff]:
    """The differences of what people wrote, by what it is; without those that are the same."""
    found = {}
    if a.script_id != b.script_id:
        found["script"] = _diff(a.script, b.script)
    if a.transformer_id != b.transformer_id:
        found["transformer"] = _diff(a.transformer, b.transformer)
    if a.requirements != b.requirements:
        found["requirements"] = comparing.text(a.requirements, b.requirements)
    return found


def _diff(before: Blob | None, after: Blob | None) -> TextDiff:
    texts = [_text(before), _text(after)]
    if texts[0] is None or texts[1] is None:
        return TextDiff(reason=NOT_TEXT)
    return comparing.text(texts[0], texts[1])


def _text(blob: Blob | None) -> str | None:
    if blob is None:
        return ""
    if blob.size > comparing.LONGEST_TEXT:
        return None
    try:
        return comparing.decoded(b"".join(storage.read(blob)))
    except OSError:
        return None


def _files(artifact: Artifact | None) -> list[tuple[str, int, str]]:
    if artifact is None:
        return []
    return list(artifact.files.values_list("path", "blob__size", "blob_id"))


def _packages(environment: Environment | None) -> dict[str, str]:
    if environment is None:
        return {}
    found = locks.packages(environment.lock, environment.python)
    return {package.name: package.version or package.url for package in found}
