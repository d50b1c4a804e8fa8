"""Files into a directory: from this machine as links, from the web as a download."""

import shutil
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MOUNTED = "/mnt/models"
TIMEOUT_SECONDS = 60


class Storage:
    """`Storage.download(uri)` returns the directory that the files are in."""

    @staticmethod
    def download(uri: str, out_dir: str | None = None) -> str:
        """Bring the files of `uri` into `out_dir` (a new directory if none is given) and return its path.

        A path and `file://` are linked, a lone archive is unpacked, `http(s)://` is downloaded. Raises
        RuntimeError for a path that is not there, NotImplementedError for other storage.
        """
        if uri.startswith(MOUNTED) and not out_dir:
            return uri
        target = Path(out_dir or tempfile.mkdtemp())
        target.mkdir(parents=True, exist_ok=True)
        scheme = urllib.parse.urlsplit(uri).scheme
        if scheme in ("", "file"):
            _link(Path(uri.removeprefix("file://")), target)
        elif scheme in ("http", "https"):
            _fetch(uri, target)
        else:
            raise NotImplementedError(
                f"{uri} cannot be downloaded here: this server reads paths, file:// and http(s)://. "
                "Store the files with the model, or install kserve-storage in the environment."
            )
        return str(target)

    download_files = download


def _link(source: Path, target: Path) -> None:
    if not source.exists():
        raise RuntimeError(f"Local path {source} does not exist.")
    if source.is_file() and source.name.endswith(ARCHIVES):
        _unpack(source, target)
        return
    for each in sorted(source.iterdir()) if source.is_dir() else [source]:
        link = target / each.name
        if not link.exists():
            link.symlink_to(each.absolute())


def _fetch(uri: str, target: Path) -> None:
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path)).name
    if not name:
        raise ValueError(f"{uri} names no file; the last part of the address is what it is stored as.")
    path = target / name
    with urllib.request.urlopen(uri, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as file:  # noqa: S310
        shutil.copyfileobj(answer, file)
    if name.endswith(ARCHIVES):
        _unpack(path, target)
        path.unlink()


def _unpack(archive: Path, target: Path) -> None:
    """Members of a tar archive stay below the target; those of a zip always do."""
    if archive.name.endswith(".zip"):
        shutil.unpack_archive(archive, target)
    else:
        shutil.unpack_archive(archive, target, filter="data")
