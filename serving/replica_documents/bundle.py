"""The files a replica starts from as one tar, whose length is known before its first byte is read."""

import logging
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import BinaryIO

from models_registry import queries as registry
from models_registry import storage
from models_registry.models import ArtifactFile, Blob
from serving.replica_documents.tokens import Contents

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)

log = logging.getLogger(__name__)


class Gone(Exception):
    """Something of what was asked for is not stored any more; the text says what."""


@dataclass(frozen=True)
class Member:
    """One file of the tar, opened when its turn comes."""

    path: str
    size: int
    open: Callable[[], BinaryIO]

    @property
    def head(self) -> bytes:
        info = tarfile.TarInfo(self.path)
        info.size, info.mode = self.size, 0o444
        return info.tobuf(tarfile.GNU_FORMAT)

    @property
    def padding(self) -> int:
        return -self.size % BLOCK


def members(contents: Contents) -> list[Member]:
    """The artifact's files, its manifest, and the scripts. Raises Gone."""
    lines = ArtifactFile.objects.filter(artifact__digest=contents.artifact).select_related("blob")
    files = {line.path: line.blob for line in lines}  # artifacts with the same digest have the same files
    if not files:
        raise Gone("The artifact is not stored any more; create the serving's artifact anew by an edit.")
    sizes = dict(
        Blob.objects.filter(pk__in=[sha256 for _, sha256 in contents.scripts]).values_list("pk", "size")
    )
    if missing := [name for name, sha256 in contents.scripts if sha256 not in sizes]:
        raise Gone(f"The script {missing[0]} is not stored any more; choose another under Edit.")
    manifest = registry.manifest_digest_source(
        [(path, blob.size, blob.sha256) for path, blob in files.items()]
    )
    return [
        Member("start/manifest.json", len(manifest), partial(BytesIO, manifest)),
        *(_stored(f"start/scripts/{name}", sizes[sha256], sha256) for name, sha256 in contents.scripts),
        *(_stored(f"artifact/{path}", blob.size, blob.sha256) for path, blob in sorted(files.items())),
    ]


def length(of: Sequence[Member]) -> int:
    return sum(len(each.head) + each.size + each.padding for each in of) + len(END)


def stream(of: Sequence[Member]) -> Iterator[bytes]:
    """The tar in pieces. Breaks off, which the length tells the other side, where bytes cannot be read."""
    for member in of:
        yield member.head
        left = member.size
        try:
            with member.open() as source:
                while left:
                    piece = source.read(min(left, storage.CHUNK))
                    if not piece:
                        raise OSError(f"{left} bytes are missing at its end")
                    left -= len(piece)
                    yield piece
        except OSError as error:
            log.error("%s cannot be sent to a replica: %s", member.path, error)
            raise
        yield bytes(member.padding)
    yield END


def _stored(path: str, size: int, sha256: str) -> Member:
    return Member(path, size, partial(storage.open, sha256))
