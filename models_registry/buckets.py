"""An S3-compatible store as Django's storage, read in ranges instead of fetched whole."""

import contextlib
import errno
import io
from collections.abc import Iterator
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

BUFFER = 1024 * 1024
MISSING = {"404", "NoSuchKey", "NotFound"}


class BucketStorage(S3Storage):  # type: ignore[misc]
    """django-storages' S3, whose `open` would fetch the whole object first. Failures are OSError, as of a disk."""

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        with _as_os_errors():
            ranges = _Ranges(self.bucket.Object(self._normalize_name(clean_name(name))))
        return File(io.BufferedReader(ranges, BUFFER), name)

    def _save(self, name: str, content: Any) -> str:
        with _as_os_errors():
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        with _as_os_errors():
            super().delete(name)


class _Ranges(io.RawIOBase):
    """An object read from where it is sought to; the connection is opened at the first read there."""

    def __init__(self, found: Any) -> None:
        self.object = found
        self.size = found.content_length
        self.position = 0
        self.body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        if start + offset != self.position:
            self._hang_up()
            self.position = start + offset
        return self.position

    def readinto(self, buffer: Any) -> int:
        if self.position >= self.size:
            return 0
        with _as_os_errors():
            if self.body is None:
                self.body = self.object.get(Range=f"bytes={self.position}-")["Body"]
            data = self.body.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)

    def close(self) -> None:
        self._hang_up()
        super().close()

    def _hang_up(self) -> None:
        if self.body is not None:
            self.body.close()
            self.body = None


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        is_missing = error.response["Error"]["Code"] in MISSING
        raise OSError(
            errno.ENOENT if is_missing else errno.EIO, f"The file store refused: {error}"
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(errno.EIO, f"The file store did not answer: {error}") from error
