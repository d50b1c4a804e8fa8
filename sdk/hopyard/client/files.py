"""The project's own files, under Resources/; those of model versions can be read too, under Models/."""

from __future__ import annotations

import builtins
from pathlib import Path

from hopyard.client.errors import InvalidArgument
from hopyard.client.local_files import Progress, collect
from hopyard.client.paths import in_project, inner
from hopyard.client.project import Project
from hopyard.client.records import StoredFile
from hopyard.client.sending import Sending


class Files:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def list(self, prefix: str = "Resources/") -> builtins.list[StoredFile]:
        return self._transport.records(StoredFile, self._project.path("files"), prefix=in_project(prefix))

    def upload(
        self,
        source: str | Path,
        destination: str = "Resources/",
        *,
        timeout: float = 120,
        on_progress: Progress | None = None,
    ) -> builtins.list[StoredFile]:
        """Send a file, or a folder with all its children, replacing what has the same path.

        A destination that ends in a slash is the folder to put it in, otherwise it is the new name. After an
        interruption the same call sends only what is missing of a large file. `timeout`, in seconds, is for
        the platform's own work on each large file.
        """
        local = Path(source).expanduser()
        if not local.exists():
            raise InvalidArgument(f"There is no {local} on this machine.")
        target = in_project(destination)
        target = f"{target}{local.resolve().name}" if target.endswith("/") else target
        files = collect(local)
        total, done, paths = sum(file.size for file in files), 0, []
        for file in files:
            report = (lambda sent, before=done: on_progress(before + sent, total)) if on_progress else None
            paths.append(f"{target}/{file.name}" if local.is_dir() else target)
            Sending(self._project, file, paths[-1]).run(timeout, report)
            done += file.size
        return [StoredFile(path, file.size) for path, file in zip(paths, files, strict=True)]

    def download(self, path: str, destination: str | Path | None = None, *, overwrite: bool = False) -> Path:
        """Fetch one file, by default into the working directory under its own name. Raises NotFound."""
        target = Path(destination) if destination else Path(Path(path).name)
        target = target / Path(path).name if target.is_dir() else target
        if target.exists() and not overwrite:
            raise InvalidArgument(f"{target} already exists; overwrite=True replaces it.")
        self._transport.get_file(self._path(path), target)
        return target

    def delete(self, path: str) -> None:
        self._transport.delete(self._path(path))

    def _path(self, path: str) -> str:
        return self._project.path("files") + inner(in_project(path))
