"""Recognises a file by its bytes, never by its name, and has it looked at as what it is."""

import re
import zipfile
from collections.abc import Callable
from io import SEEK_END
from typing import BinaryIO

from worker.scanning import archives, compression, keras, pickles, tensors, texts
from worker.scanning.budget import DEEPEST, Budget, TooMuch
from worker.scanning.findings import Nature, Report

HEAD = 512
UBJSON = re.compile(rb"\{(L\x00{7}|[iU])\x07(learner|version)")
NATIVE = {
    b"\x7fELF": "native library (ELF)",
    b"MZ": "native library (Windows)",
    b"\xfe\xed\xfa\xce": "native library (Mach-O)",
    b"\xfe\xed\xfa\xcf": "native library (Mach-O)",
    b"\xce\xfa\xed\xfe": "native library (Mach-O)",
    b"\xcf\xfa\xed\xfe": "native library (Mach-O)",
    b"\xca\xfe\xba\xbe": "native library (Mach-O) or Java class",
    b"\x00asm": "WebAssembly",
}
DATA = {
    b"GGUF": "GGUF",
    b"CBM1": "CatBoost",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\x89PNG\r\n": "image",
    b"\xff\xd8\xff": "image",
    b"GIF8": "image",
    b"%PDF-": "PDF",
}
CLOSED = {b"7z\xbc\xaf\x27\x1c": "7z archive", b"Rar!": "RAR archive"}


def look(file: BinaryIO, budget: Budget, depth: int = 0) -> Report:
    """The report of a file; whatever lies inside it is looked at as well."""
    file.seek(0)
    head = file.read(HEAD)
    if not head:
        return Report("empty", Nature.SAFE)
    if depth > DEEPEST:
        raise TooMuch("Files lie in files too deeply to be looked at.")
    report = _by_magic(file, head, budget, depth) or _by_content(file, head)
    if "pickle" not in report.kind and report.kind != "joblib":
        pickles.check_other_reading(report, file)
    if not report.kind.endswith("zip archive") and head[:2] != b"PK":
        _look_at_appended(report, file, budget, depth)
    return report


def _by_magic(file: BinaryIO, head: bytes, budget: Budget, depth: int) -> Report | None:
    def inside(inner: BinaryIO, budget: Budget) -> Report:
        return look(inner, budget, depth + 1)

    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return archives.scan_zip(file, budget, inside)
    if head[257:262] == b"ustar":
        return archives.scan_tar(file, budget, inside)
    if (how := compression.name(head)) is not None:
        return _compressed(file, how, budget, inside)
    if head.startswith(b"\x93NUMPY"):
        return tensors.scan_numpy(file)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        report = Report("HDF5", Nature.SAFE)
        keras.look_in_hdf5(report, file)
        return report
    return _plain(head)


def _plain(head: bytes) -> Report | None:
    """Kinds of which the beginning says all."""
    for magic, kind in DATA.items():
        if head.startswith(magic):
            return Report(kind, Nature.SAFE)
    for magic, kind in NATIVE.items():
        if head.startswith(magic):
            report = Report(kind, Nature.CODE)
            report.suspect(
                "It is compiled code, which runs with all rights of the replica once it is loaded."
            )
            return report
    for magic, kind in CLOSED.items():
        if head.startswith(magic):
            report = Report(kind, Nature.UNKNOWN)
            report.suspect(f"A {kind} is not opened here; pack the files as zip, or send them one by one.")
            return report
    return None


def _by_content(file: BinaryIO, head: bytes) -> Report:
    """Kinds that have no mark at their beginning."""
    found = tensors.safetensors(file)
    if found is not None:
        return found
    if pickles.is_pickle(file):
        return pickles.scan(file)
    if UBJSON.match(head):
        return Report("XGBoost UBJSON", Nature.SAFE)
    found = texts.scan(file) or tensors.onnx(file)
    if found is not None:
        return found
    report = Report("unknown", Nature.UNKNOWN)
    if _is_bytecode(head):
        report = Report("Python bytecode", Nature.CODE)
        report.suspect("It is compiled Python, which nobody can read; send its source instead.")
    pickles.look_for_hidden(report, file)
    return report


def _compressed(
    file: BinaryIO, how: str, budget: Budget, inside: Callable[[BinaryIO, Budget], Report]
) -> Report:
    report = Report(f"{how} data", Nature.SAFE)
    try:
        with compression.unpacked(file, how, budget) as (target, rest):
            part = inside(target, budget)
            report.include(part)
            report.kind = f"{part.kind} ({how})"
            if rest:
                report.suspect(f"{rest} bytes follow the compressed ones.")
    except compression.NotUnpacked as error:
        report.nature = Nature.UNKNOWN
        report.suspect(str(error))
        pickles.look_for_hidden(report, file)
    return report


def _look_at_appended(report: Report, file: BinaryIO, budget: Budget, depth: int) -> None:
    """A zip archive may stand at the end of any file, and loaders that read from the end find it."""
    file.seek(0, SEEK_END)
    if not zipfile.is_zipfile(file):
        return
    part = archives.scan_zip(file, budget, lambda inner, left: look(inner, left, depth + 1))
    if len(part.findings) == 1 and "cannot be read" in part.findings[0].sentence:
        return
    report.suspect("A zip archive is appended to it.")
    report.include(part)


def _is_bytecode(head: bytes) -> bool:
    """A `.pyc` file begins with the number of its Python version, a carriage return and a line feed."""
    return head[2:4] == b"\r\n" and 3000 <= int.from_bytes(head[:2], "little") <= 3900
