"""Models and their versions."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from hopyard.client import artifacts, exporting, provenance
from hopyard.client import schema as schemas
from hopyard.client.artifacts import Artifact
from hopyard.client.comparison import Comparison
from hopyard.client.errors import InvalidArgument
from hopyard.client.exporting import Description
from hopyard.client.local_files import Progress, inside
from hopyard.client.paths import inner, segment
from hopyard.client.project import Project
from hopyard.client.records import Alias, Model, ModelVersion

ALIAS = re.compile(r"(?!latest\Z)[a-z][a-z0-9_-]{0,49}")
DESCRIBED = {"description", "framework", "metrics", "tags"}
CHANGEABLE = "description, framework, metrics and tags"


class Models:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def list(self) -> builtins.list[Model]:
        return self._transport.records(Model, self._project.path("models"))

    def get(self, name: str, version: int | str | None = None, *, alias: str | None = None) -> ModelVersion:
        """One version, by number, alias or `latest`; without any of them the newest. Raises NotFound."""
        if version is not None and alias is not None:
            raise InvalidArgument("Name a version or an alias, not both.")
        which = alias if version is None else version
        which = self._newest(name) if which is None else which
        return self._transport.record(ModelVersion, "GET", self._path(name, which))

    def versions(self, name: str) -> builtins.list[ModelVersion]:
        """Oldest first. Raises NotFound."""
        model = self._transport.record(Model, "GET", self._path(name))
        return sorted(model.versions, key=lambda version: version.version)

    def best(self, name: str, metric: str, direction: Literal["max", "min"] = "max") -> ModelVersion:
        """The version whose metric is highest or lowest. Raises NotFound if none has that metric."""
        asked = {"metric": metric, "direction": direction}
        return self._transport.record(ModelVersion, "GET", self._path(name) + "best/", params=asked)

    def export(  # noqa: PLR0913 - each is a choice of the user's
        self,
        source: str | Path,
        name: str,
        *,
        version: int | None = None,
        overwrite: bool = False,
        description: str = "",
        framework: str = "",
        metrics: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        aliases: Iterable[str] = (),
        input_example: Any = None,
        schema: Any = None,
        timeout: float = 120,
        resume: bool = False,
        on_progress: Progress | None = None,
    ) -> ModelVersion:
        """Register a file, a folder's children, or a path in the project as a model version.

        Without `version` it takes the next number. `timeout`, in seconds, is for the platform's own work
        after the files are there. All or nothing: when anything fails, no version is left behind. With
        `resume`, what arrived before an interruption stays for a day, and the same call goes on from there.

        `input_example` is what the model may be asked (rows, a table, an array, a request body); it is kept as
        `input_example.json` and tried before the model is served. `schema` is a mapping in Hopsworks' form, kept
        as `model_schema.json`; without one it is derived from the example. `aliases` stand for the new version
        once it is there. Where the version comes from is recorded: this Python, the program, the git commit, and
        the packages that are imported now.

        Raises InvalidArgument when there is nothing to send, Conflict when the version exists and
        `overwrite` is not set, or when it is being served.
        """
        described = Description(
            model=name,
            version=version,
            overwrite=overwrite,
            description=description,
            framework=framework,
            metrics=dict(metrics or {}),
            tags=dict(tags or {}),
            packages=provenance.packages(),
            provenance=provenance.collect(),
        )
        sources, names = exporting.find(source), checked_aliases(aliases)
        with (
            schemas.files(input_example, schema) as documents,
            exporting.draft(self._project, described, resume=resume) as upload,
        ):
            exporting.fill(upload, sources, timeout=timeout, on_progress=on_progress)
            exporting.fill(upload, documents, timeout=timeout)
            made = upload.finalise(timeout)
        for alias in names:
            self.set_alias(name, alias, made.version)
        return replace(made, aliases=sorted({*made.aliases, *names}))

    def download(
        self,
        name: str,
        version: int | str | None = None,
        destination: str | Path | None = None,
        *,
        overwrite: bool = False,
        on_progress: Progress | None = None,
    ) -> Path:
        """Fetch a version's files, by default the newest's, into a folder: `<name>/<version>` unless told.

        Every file is checked against its digest. Without `overwrite`, a file that is already there is
        refused before anything is fetched; with it, other files in the folder stay.
        """
        found = self.get(name, version)
        folder = Path(destination) if destination else Path(found.model) / str(found.version)
        targets = [(file, inside(folder, file.path)) for file in found.files]
        for _, target in targets:
            if target.exists() and not overwrite:
                raise InvalidArgument(f"{target} already exists; overwrite=True replaces it.")
        folder.mkdir(parents=True, exist_ok=True)
        total, done = sum(file.size for file in found.files), 0
        for file, target in targets:
            report = (lambda sent, before=done: on_progress(before + sent, total)) if on_progress else None
            url = f"{self._path(name, found.version)}files/{inner(file.path)}"
            self._transport.get_file(url, target, sha256=file.sha256, report=report)
            done += file.size
        return folder

    def artifacts(self, name: str, version: int) -> builtins.list[Artifact]:
        """What the servings of a version start from, newest first."""
        return self._transport.records(Artifact, self._path(name, version) + "artifacts/")

    def download_artifact(
        self,
        name: str,
        version: int,
        artifact_version: int | str | None = None,
        to: str | Path | None = None,
        *,
        on_progress: Progress | None = None,
    ) -> Path:
        """Fetch an artifact, by default the newest, into the folder `to`, by default `<name>/<version>/Artifacts`.

        Returns the folder there that bears the artifact's number, 0 for MODEL-ONLY. Every file is checked against its
        digest. Raises InvalidArgument when there is no such artifact, or such a folder already.
        """
        found = artifacts.chosen(self.artifacts(name, version), artifact_version)
        folder = Path(to) if to else Path(name) / str(version) / "Artifacts"
        if (folder / str(found.number)).exists():
            raise InvalidArgument(f"{folder / str(found.number)} already exists; name another folder.")
        url = f"{self._path(name, version)}artifacts/{found.number or found.digest}/"
        whole = self._transport.record(Artifact, "GET", url)
        return artifacts.fetch(self._transport, f"{url}download/", whole, folder, on_progress)

    def describe(self, name: str, version: int, **changes: Any) -> ModelVersion:
        """Say something else of a version: `description`, `framework`, `metrics` or `tags`, each as a whole."""
        if wrong := changes.keys() - DESCRIBED:
            raise InvalidArgument(f"A version has no {sorted(wrong)[0]} that can change; {CHANGEABLE} can.")
        return self._transport.record(ModelVersion, "PATCH", self._path(name, version), body=changes)

    def set_tag(self, name: str, version: int, tag: str, value: Any) -> ModelVersion:
        """Add a tag, any JSON, or give it another value."""
        url = f"{self._path(name, version)}tags/{segment(tag)}/"
        return self._transport.record(ModelVersion, "PUT", url, body={"value": value})

    def delete_tag(self, name: str, version: int, tag: str) -> None:
        """Raises NotFound if there is no such tag."""
        self._transport.delete(f"{self._path(name, version)}tags/{segment(tag)}/")

    def aliases(self, name: str) -> builtins.list[Alias]:
        return self._transport.record(Model, "GET", self._path(name)).aliases

    def set_alias(self, name: str, alias: str, version: int) -> Alias:
        """Let an alias stand for a version; servings that follow it are given that version."""
        return self._transport.record(Alias, "PUT", self._alias(name, alias), body={"version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        """Raises Conflict while a serving follows it, NotFound if there is none."""
        self._transport.delete(self._alias(name, alias))

    def compare(self, name: str, a: int | str, b: int | str) -> Comparison:
        """What differs in version `b` as against `a`; numbers, aliases or `latest`. Raises NotFound."""
        url = self._path(name) + "compare/"
        return self._transport.record(Comparison, "GET", url, params={"a": a, "b": b})

    def delete(self, name: str, version: int | None = None) -> None:
        """Delete one version, or without a number the model. Raises Conflict while it is being served."""
        self._transport.delete(self._path(name, version))

    def _newest(self, name: str) -> int:
        versions = self.versions(name)
        if not versions:
            raise InvalidArgument(f"Model {name} has no version yet.")
        return versions[-1].version

    def _alias(self, name: str, alias: str) -> str:
        return self._project.path("models", name, "aliases", alias)

    def _path(self, name: str, version: int | str | None = None) -> str:
        version_parts = () if version is None else ("versions", version)
        return self._project.path("models", name, *version_parts)


def checked_aliases(aliases: Iterable[str]) -> list[str]:
    """Refused before anything is sent, since a version that is there cannot be taken back quietly."""
    names = [aliases] if isinstance(aliases, str) else list(aliases)
    for name in names:
        if not ALIAS.fullmatch(name):
            raise InvalidArgument(
                f"{name!r} cannot be an alias: begin with a small letter, go on with small letters, digits, “-” or "
                "“_”; “latest” is taken."
            )
    return names
