"""Artifacts: what servings of a model version start from, listed and fetched file by file against their digests."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hopyard.client.errors import ConnectFailed, InvalidArgument
from hopyard.client.local_files import Progress, inside, write_whole
from hopyard.client.records import StoredFile
from hopyard.client.transport import Transport

MODEL_ONLY = "MODEL-ONLY"
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Artifact:
    """Immutable files; `number` 0, the label MODEL-ONLY, is for all servings without a transformer. Size in bytes.

    A list of artifacts leaves their `files` out.

    `name` is `<model>_<model version>_<number>`, `digest` the sha256 of the manifest: every path, size and sha256.
    """

    number: int
    label: str = ""
    name: str = ""
    digest: str = ""
    transformer: str = ""
    size: int = 0
    file_count: int = 0
    created_at: datetime | None = None
    files: list[StoredFile] = field(default_factory=list)


def chosen(found: list[Artifact], asked: int | str | None) -> Artifact:
    """The newest, or the newest with a number or label. Raises InvalidArgument if there is none."""
    if not found:
        raise InvalidArgument("This version has no artifact yet: creating a serving of it builds one.")
    wanted = "" if asked is None else str(asked).upper()
    fitting = [each for each in found if wanted in ("", str(each.number), each.label.upper())]
    if not fitting:
        labels = sorted({each.label or str(each.number) for each in found})
        raise InvalidArgument(f"This version has no artifact {asked}; there are {', '.join(labels)}.")
    return fitting[0]


def fetch(
    transport: Transport, url: str, artifact: Artifact, folder: Path, on_progress: Progress | None
) -> Path:
    """Unpack the zip at `url` into `folder/<number>` and return it; that appears once every digest is right."""
    target = folder / str(artifact.number)
    for file in artifact.files:
        inside(target, file.path)
    folder.mkdir(parents=True, exist_ok=True)
    report = (lambda sent: on_progress(min(sent, artifact.size), artifact.size)) if on_progress else None
    with TemporaryDirectory(dir=folder, prefix=".artifact-") as aside:
        archive, draft = Path(aside) / "artifact.zip", Path(aside) / "files"
        transport.get_file(url, archive, report=report)
        try:
            with zipfile.ZipFile(archive) as opened:
                for file in artifact.files:
                    entry = f"{artifact.number}/{file.path}"
                    write_whole(draft / file.path, _pieces(opened, entry), sha256=file.sha256)
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise ConnectFailed(f"{artifact.name} arrived damaged: {error}. Download it again.") from error
        draft.rename(target)
    return target


def _pieces(archive: zipfile.ZipFile, entry: str) -> Iterator[bytes]:
    with archive.open(entry) as stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece
