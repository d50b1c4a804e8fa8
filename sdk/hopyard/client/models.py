"""Models and their versions."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from hopyard.client import exporting
from hopyard.client.errors import InvalidArgument
from hopyard.client.exporting import Description
from hopyard.client.local_files import Progress, inside
from hopyard.client.paths import inner
from hopyard.client.project import Project
from hopyard.client.records import Model, ModelVersion


class Models:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def list(self) -> builtins.list[Model]:
        return self._transport.records(Model, self._project.path("models"))

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """One version; without a number the newest. Raises NotFound."""
        number = self._newest(name) if version is None else version
        return self._transport.record(ModelVersion, "GET", self._path(name, number))

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
        timeout: float = 120,
        on_progress: Progress | None = None,
    ) -> ModelVersion:
        """Register a file, a folder's children, or a path in the project as a model version.

        Without `version` it takes the next number. `timeout`, in seconds, is for the platform's own work
        after the files are there. All or nothing: when anything fails, no version is left behind.

        Raises InvalidArgument when there is nothing to send, Conflict when the version exists and
        `overwrite` is not set, or when it is being served.
        """
        described = Description(name, version, overwrite, description, framework, dict(metrics or {}))
        sources = exporting.find(source)
        with exporting.draft(self._project, described) as upload:
            exporting.fill(upload, sources, timeout=timeout, on_progress=on_progress)
            return upload.finalise(timeout)

    def download(
        self,
        name: str,
        version: int | None = None,
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

    def delete(self, name: str, version: int | None = None) -> None:
        """Delete one version, or without a number the model. Raises Conflict while it is being served."""
        self._transport.delete(self._path(name, version))

    def _newest(self, name: str) -> int:
        versions = self.versions(name)
        if not versions:
            raise InvalidArgument(f"Model {name} has no version yet.")
        return versions[-1].version

    def _path(self, name: str, version: int | None = None) -> str:
        version_parts = () if version is None else ("versions", version)
        return self._project.path("models", name, *version_parts)
