"""Two versions of a model side by side: everything that is said of them, their files and texts."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from models_registry import storage
from models_registry.models import ModelVersion, ProjectFile
from models_registry.versions import comparing, describing, schema, tags
from models_registry.versions.comparing import Change, FileChange, State, TextDiff

MOST_DIFFS = 20


@dataclass(frozen=True)
class Comparison:
    """From version `a` to version `b`; `diffs` are of the changed text files, by path."""

    a: ModelVersion
    b: ModelVersion
    metrics: list[Change]
    about: list[Change]
    tags: list[Change]
    provenance: list[Change]
    packages: list[Change]
    files: list[FileChange]
    schema: TextDiff
    diffs: dict[str, TextDiff] = field(default_factory=dict)
    left_out: int = 0

    @property
    def before_label(self) -> str:
        return f"Version {self.a.number}"

    @property
    def after_label(self) -> str:
        return f"Version {self.b.number}"

    @property
    def said(self) -> list[Change]:
        """What is said of both, as words."""
        facts = [dict(describing.facts(each.provenance)) for each in (self.a, self.b)]
        tagged = [replace(each, name=f"tag {each.name}") for each in self.tags]
        return [*self.about, *tagged, *comparing.values(facts[0], facts[1])]

    @property
    def changed_files(self) -> list[FileChange]:
        return [each for each in self.files if each.state != State.SAME]

    @property
    def same_files(self) -> int:
        return len(self.files) - len(self.changed_files)


def compare(a: ModelVersion, b: ModelVersion) -> Comparison:
    """What is different in `b`; reads the texts of at most 20 changed files."""
    before, after = _files(a), _files(b)
    files = comparing.files(map(_facts, before.values()), map(_facts, after.values()))
    changed = [each.path for each in files if each.state == State.CHANGED and each.path != schema.SCHEMA_FILE]
    texts = [path for path in changed if _is_small(before[path]) and _is_small(after[path])]
    diffs = {path: _diff(before[path], after[path]) for path in texts[:MOST_DIFFS]}
    return Comparison(
        a=a,
        b=b,
        metrics=comparing.values(a.metrics, b.metrics),
        about=comparing.values(_about(a), _about(b)),
        tags=comparing.values(tags.shown(a.tags), tags.shown(b.tags)),
        provenance=comparing.values(a.provenance, b.provenance),
        packages=comparing.packages(a.packages, b.packages),
        files=files,
        schema=comparing.text(_schema(a), _schema(b)),
        diffs={path: diff for path, diff in diffs.items() if diff is not None},
        left_out=max(0, len(texts) - MOST_DIFFS),
    )


def _about(version: ModelVersion) -> dict[str, Any]:
    return {"description": version.description, "framework": version.framework}


def _files(version: ModelVersion) -> dict[str, ProjectFile]:
    return {file.path: file for file in version.files.select_related("blob")}


def _facts(file: ProjectFile) -> tuple[str, int, str]:
    return file.path, file.blob.size, file.blob_id


def _is_small(file: ProjectFile) -> bool:
    return file.blob.size <= comparing.LONGEST_TEXT


def _diff(before: ProjectFile, after: ProjectFile) -> TextDiff | None:
    texts = [_text(before), _text(after)]
    return comparing.text(texts[0], texts[1]) if texts[0] is not None and texts[1] is not None else None


def _text(file: ProjectFile) -> str | None:
    try:
        return comparing.decoded(b"".join(storage.read(file.blob)))
    except OSError:
        return None


def _schema(version: ModelVersion) -> str:
    found = schema.schema(version)
    if found is None or found.problem:
        return ""
    return json.dumps(found.value, indent=2, sort_keys=True, ensure_ascii=False)
