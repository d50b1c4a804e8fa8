"""Data items: files beside a model, or at a URL, as `get_model` and `get_dataitem` return them."""

import shutil
import tempfile
from pathlib import Path
from typing import IO, Any
from urllib import request
from urllib.parse import urlsplit

SECONDS = 60.0
_local_copies: dict[str, str] = {}


class DataItem:
    """One file. `url` is where it is, `kind` is `file` or the URL's scheme."""

    def __init__(self, key: str, url: str) -> None:
        self.key = key
        self.url = url
        self.kind = _kind(url)

    @property
    def suffix(self) -> str:
        """The file's extension, with its dot."""
        return Path(urlsplit(self.url).path).suffix

    def get(self, size: int | None = None, offset: int = 0, encoding: str | None = None) -> Any:
        """The content, bytes or with an encoding str. Raises OSError."""
        with self.open() as file:
            file.seek(offset)
            content = file.read(size or -1)
        return content.decode(encoding) if encoding else content

    def download(self, target_path: str) -> str:
        """Copy the file and return where it is now."""
        Path(target_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.local(), target_path)
        return target_path

    def local(self) -> str:
        """A path of the content on this machine; what is at a URL is downloaded, once."""
        return local_path(self.url)

    def open(self, mode: str = "rb") -> IO[Any]:
        """The opened file."""
        return Path(self.local()).open(mode)

    def exists(self) -> bool:
        """Whether there is such a file; a URL is believed."""
        return self.kind != "file" or Path(_path(self.url)).exists()

    def listdir(self) -> list[str]:
        """Names of the files below a directory."""
        root = Path(_path(self.url))
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    ls = listdir

    def as_df(
        self,
        columns: list[str] | None = None,
        df_module: Any = None,
        format: str = "",  # noqa: A002 - MLRun's name
        **options: Any,
    ) -> Any:
        """A DataFrame of a csv, parquet, json or Excel file."""
        import pandas

        kind = format or self.suffix.lstrip(".") or "csv"
        readers = {"pq": "parquet", "xlsx": "excel", "xls": "excel"}
        name = f"read_{readers.get(kind, kind)}"
        reader = getattr(df_module or pandas, name, None)
        if reader is None:
            raise ValueError(f"{self.url} is a .{kind} file, which no DataFrame can be read from")
        if columns:
            options["usecols" if kind == "csv" else "columns"] = columns
        return reader(self.local(), **options)

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"DataItem({self.url!r})"


def get_dataitem(url: str, secrets: Any = None, db: Any = None) -> DataItem:
    """Return the data item at a path or URL."""
    return DataItem(Path(urlsplit(url).path).name, url)


def get_object(
    url: str, secrets: Any = None, size: int | None = None, offset: int = 0, db: Any = None
) -> Any:
    """Return what is at a path or URL, in bytes."""
    return get_dataitem(url).get(size, offset)


def local_path(url: str, suffix: str = "") -> str:
    """Return a path of what is at `url` on this machine. Raises ValueError for stores that cannot be reached."""
    kind = _kind(url)
    if kind == "file":
        return _path(url)
    if kind not in ("http", "https"):
        raise ValueError(
            f"{url} is in a store that this server does not read; put the file into the model's files, "
            "or give an http(s) URL"
        )
    if url not in _local_copies:
        ending = suffix or Path(urlsplit(url).path).suffix
        with (
            request.urlopen(url, timeout=SECONDS) as answer,  # noqa: S310 - the scheme is http or https
            tempfile.NamedTemporaryFile(suffix=ending, delete=False) as file,
        ):
            shutil.copyfileobj(answer, file)
        _local_copies[url] = file.name
    return _local_copies[url]


def _kind(url: str) -> str:
    return (urlsplit(url).scheme if "://" in url else "") or "file"


def _path(url: str) -> str:
    return urlsplit(url).path if url.startswith("file://") else url
