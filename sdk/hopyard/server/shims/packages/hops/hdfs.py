"""`hops.hdfs` where there is no HDFS: project paths lead to the files of the artifact being served.

Signatures follow hops-util-py 2.4. Paths may be `Models/<name>/<version>/<file>`,
`/Projects/<project>/Models/...`, `hdfs://host:port/Projects/...` or the older `Models/<file>`.
"""

import errno
import os
import shutil
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hopyard.server.config import exported_files_dir, exported_project


def project_name() -> str:
    """Name of the project this replica serves for."""
    return exported_project()


def project_path(project: str | None = None) -> str:
    """The project's root, with a slash at its end."""
    return f"/Projects/{project or exported_project()}/"


def exists(hdfs_path: str, project: str | None = None) -> bool:
    """Whether the artifact holds this path."""
    return _find(hdfs_path) is not None


def copy_to_local(
    hdfs_path: str, local_path: str = "", overwrite: bool = False, project: str | None = None
) -> str:
    """Copy a file or directory of the artifact into `local_path` (the working directory) and return its path.

    Raises FileNotFoundError naming the path as it was given.
    """
    source = _find(hdfs_path)
    if source is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), hdfs_path)
    target = Path(local_path or Path.cwd()).absolute()
    if target.is_dir() or local_path.endswith("/"):
        target = target / source.name
    if not (target.exists() and target.samefile(source)):
        _copy(source, target)
    return str(target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    # Renamed into place: a reader never sees half a file, and a link is replaced, not written through.
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, partial)
    partial.replace(target)


def _find(hdfs_path: str) -> Path | None:
    files = exported_files_dir()
    for inside in _inside_artifact(hdfs_path):
        path = files / inside
        if path.exists():
            return path
    return None


def _inside_artifact(hdfs_path: str) -> list[str]:
    """Where in the artifact a project path may be, the most exact place first."""
    parts = [part for part in PurePosixPath(urlsplit(str(hdfs_path)).path).parts if part not in ("/", "..")]
    if len(parts) > 2 and parts[0] == "Projects":
        parts = parts[2:]
    if not parts or parts[0] != "Models":
        return ["/".join(parts[1:]), parts[-1]] if len(parts) > 1 else parts
    parts = parts[1:]
    places = ["/".join(parts)]
    if len(parts) >= 2 and parts[1].isdigit():
        rest = parts[2:]
        places += ["/".join(rest) or ".", "/".join(rest[1:]) if rest[:1] == ["Files"] else "/".join(rest)]
    return [*places, *parts[-1:]]
