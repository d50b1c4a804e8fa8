"""Archives as no packer makes them: each says something that is not so."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

KILOBYTE = 1024


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def tarred(
    *entries: tarfile.TarInfo | tuple[str, bytes], mode: str = "w", kind: int = tarfile.PAX_FORMAT
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=kind) as archive:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry, io.BytesIO(bytes(entry.size)))
            else:
                member = tarfile.TarInfo(entry[0])
                member.size = len(entry[1])
                archive.addfile(member, io.BytesIO(entry[1]))
    return buffer.getvalue()


def member(name: str, kind: bytes, **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return tarred(info)


def zip_kind(name: str, mode: int) -> bytes:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return zipped((info, b"/etc/passwd"))


def encrypted() -> bytes:
    """The flag alone, in both headers."""
    data = bytearray(zipped(("secret.pkl", b"x")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def lying(real: bytes, said: int, *, right_checksum_of: bytes | None = None) -> bytes:
    """A zip whose directory announces another size, and a checksum that is right for it if asked."""
    data = bytearray(zipped(("weights.bin", real)))
    for at, offset in ((0, 14), (data.index(b"PK\x01\x02"), 16)):
        if right_checksum_of is not None:
            struct.pack_into("<L", data, at + offset, zlib.crc32(right_checksum_of))
        struct.pack_into("<L", data, at + offset + 8, said)
    return bytes(data)


def renamed_in_directory() -> bytes:
    data = bytearray(zipped(("safe.txt", b"x")))
    at = data.index(b"PK\x01\x02") + 46
    data[at : at + 8] = b"evil.txt"
    return bytes(data)


def overlapping(count: int = 200) -> bytes:
    """One kernel of zeros that every entry of the directory points at."""
    single = zipped(("0", bytes(64 * KILOBYTE)))
    start = single.index(b"PK\x01\x02")
    local, central = single[:start], single[start : single.index(b"PK\x05\x06")]
    directory = central * count
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(local), 0)
    return local + directory + end


def quoted(count: int = 50) -> bytes:
    """Each entry's packed bytes are a stored deflate block that quotes the header of the next one, and so on."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = kernel.compress(bytes(256 * KILOBYTE)) + kernel.flush()
    names = [f"{number:04}" for number in range(count)]
    tail, checked, size = packed, bytes(256 * KILOBYTE), 256 * KILOBYTE
    parts: list[tuple[str, int, int, int, bytes]] = []
    for position, name in enumerate(reversed(names)):
        if position:
            header = parts[-1][4]
            quote = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF) + header
            tail, checked, size = quote + tail, header + checked, size + len(header)
        local = _local(name, zlib.crc32(checked), len(tail), size)
        parts.append((name, zlib.crc32(checked), len(tail), size, local))
    data = parts[-1][4] + tail
    offset, directory = 0, b""
    for name, checksum, compressed, length, local in reversed(parts):
        directory += _central(name, checksum, compressed, length, offset)
        offset += len(local) + 5
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(data), 0)
    return data + directory + end


def _local(name: str, checksum: int, packed: int, size: int) -> bytes:
    return (
        struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 33, checksum, packed, size, len(name), 0)
        + name.encode()
    )


def _central(name: str, checksum: int, packed: int, size: int, offset: int) -> bytes:
    fixed = (b"PK\x01\x02", 20, 20, 0, 8, 0, 33, checksum, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3L5H2L", *fixed) + name.encode()


def header_of_size(kind: bytes, size: int) -> bytes:
    """A tar that begins with an extended header said to be so large."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = kind
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(2 * KILOBYTE)


def broken_pax() -> bytes:
    return header_of_size(tarfile.XHDTYPE, 10)[:512] + b"99 path=a".ljust(512, b"\0") + bytes(1024)


def chained(kind: bytes, count: int) -> bytes:
    """Extended headers one after the other, which a recursive reader does not survive."""
    info = tarfile.TarInfo("././@LongLink")
    info.type = kind
    info.size = 2
    return (info.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")) * count + tarred(("a", b"x"))


def pax(**headers: str) -> bytes:
    info = tarfile.TarInfo("model.pkl")
    info.pax_headers = headers
    return tarred(info)


def cut(data: bytes, keep: float = 0.6) -> bytes:
    return data[: int(len(data) * keep)]


Packer = Callable[..., bytes]
