"""Looks at every file inside a zip or tar archive, and says which kind of model the archive is."""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from worker.scanning import keras, skops
from worker.scanning.budget import Budget
from worker.scanning.findings import Nature, Report

Look = Callable[[BinaryIO, Budget], Report]
FAULTS = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, ValueError, RuntimeError),
    *(NotImplementedError, EOFError, KeyError),
)
ENCRYPTED = 0x1
BUFFER = 1024 * 1024


def scan_zip(file: BinaryIO, budget: Budget, look: Look) -> Report:
    report = Report("zip archive", Nature.SAFE)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            report.kind = _kind([each.filename for each in members])
            for member in members:
                _look_at_member(report, archive, member, (budget, look))
            _look_as_model(report, archive)
    except FAULTS as error:
        report.suspect("The archive cannot be read.", f"{type(error).__name__}: {error}")
    return report


def scan_tar(file: BinaryIO, budget: Budget, look: Look) -> Report:
    report = Report("tar archive", Nature.SAFE)
    try:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                budget.open_file()
                if member.isfile() and (inner := archive.extractfile(member)) is not None:
                    report.include(look(io.BufferedReader(inner, BUFFER), budget), member.name)  # type: ignore[type-var]
                elif not member.isdir():
                    report.suspect("The archive holds a link or a device, which no model needs.", member.name)
    except FAULTS as error:
        report.suspect("The archive cannot be read.", f"{type(error).__name__}: {error}")
    return report


def _look_at_member(
    report: Report, archive: zipfile.ZipFile, member: zipfile.ZipInfo, by: tuple[Budget, Look]
) -> None:
    budget, look = by
    budget.open_file()
    if member.flag_bits & ENCRYPTED:
        report.suspect("A file of the archive is encrypted, so nobody can look into it.", member.filename)
        return
    budget.spend(member.file_size, packed=member.compress_size, already=0)
    try:
        with archive.open(member) as inner:
            _ignore_checksum(inner)
            part = look(io.BufferedReader(inner, BUFFER), budget)  # type: ignore[type-var]
    except FAULTS as error:
        report.suspect(
            f"{member.filename} in the archive cannot be read.", f"{type(error).__name__}: {error}"
        )
        return
    if report.kind != "zip archive" and part.nature is Nature.UNKNOWN:
        part.nature = Nature.SAFE  # the numbers of a model
    report.include(part, member.filename)


def _ignore_checksum(inner: Any) -> None:
    """PyTorch loads files whose checksum is wrong, so they are looked at as well."""
    inner._expected_crc = None


def _kind(names: list[str]) -> str:
    """The kind of model whose files have these names."""
    last = {each.rsplit("/", 1)[-1] for each in names}
    if "schema.json" in names:
        return "skops"
    if "data.pkl" in last:
        is_script = any("/code/" in each for each in names) or "constants.pkl" in last
        return "TorchScript" if is_script else "PyTorch"
    if "config.json" in names and "model.weights.h5" in names:
        return "Keras"
    if names and all(each.endswith(".npy") for each in names):
        return "NumPy archive"
    return "zip archive"


def _look_as_model(report: Report, archive: zipfile.ZipFile) -> None:
    if report.kind == "skops":
        skops.look(report, archive.read("schema.json"))
    elif report.kind == "Keras":
        keras.look(report, archive.read("config.json"))
    elif report.kind == "TorchScript":
        report.nature = Nature.CODE
        report.note("TorchScript carries a program of its own, which PyTorch interprets.")
