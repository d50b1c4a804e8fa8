"""How much may come out of one archive, counted while it comes."""

from dataclasses import dataclass

from django.conf import settings

from models_registry.errors import BadArchive

UNSUSPICIOUS_BYTES = 64 * 1024 * 1024
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What the settings allow; a `ratio` is judged only above UNSUSPICIOUS_BYTES, since small text packs well."""

    entry_bytes: int
    total_bytes: int
    files: int
    ratio: int
    depth: int

    @classmethod
    def of_settings(cls) -> "Limits":
        return cls(
            entry_bytes=settings.MAX_UPLOAD_BYTES,
            total_bytes=settings.ARCHIVE_MAX_BYTES,
            files=settings.ARCHIVE_MAX_FILES,
            ratio=settings.ARCHIVE_MAX_RATIO,
            depth=settings.ARCHIVE_MAX_DEPTH,
        )

    def refuse_count(self, entries: int) -> None:
        if entries > self.files:
            raise BadArchive(f"The archive holds more than {self.files} entries; send it in parts.")

    def refuse_entry(self, name: str, size: int) -> None:
        if size > self.entry_bytes:
            raise BadArchive(
                f"{name!r} is larger than the {self.entry_bytes // MEGABYTE} MB a file may have."
            )

    def refuse_total(self, unpacked: int, packed: int) -> None:
        if unpacked > self.total_bytes:
            raise BadArchive(
                f"The archive unpacks to more than {self.total_bytes // MEGABYTE} MB; send it in parts."
            )
        if unpacked > UNSUSPICIOUS_BYTES and unpacked > packed * self.ratio:
            raise BadArchive(
                f"The archive unpacks to more than {self.ratio} times its size, as an archive made to fill disks "
                "does; send the files themselves."
            )
