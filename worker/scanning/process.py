"""Starts the throw-away process for one file and takes its answer with a pinch of salt."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import Any, BinaryIO

from worker.scanning.findings import LONGEST_TEXT, MOST_FINDINGS, MOST_IMPORTS, Nature, Severity, suspicious

SECONDS = 180.0
MOST_UNPACKED = 4 * 1024**3
MOST_ANSWER = 4 * 1024**2
VERDICTS = {*(each.value for each in Nature), Severity.SUSPICIOUS.value, Severity.DANGEROUS.value}
LONGEST_KIND = 50


def report_on(
    file: BinaryIO, *, seconds: float = SECONDS, most_unpacked: int = MOST_UNPACKED
) -> dict[str, Any]:
    """The report {verdict, kind, findings, imports} of an open file; a process that fails makes it suspicious."""
    with tempfile.TemporaryDirectory(prefix="hopyard-scan-") as scratch, tempfile.TemporaryFile() as answer:
        unpacked = min(most_unpacked, shutil.disk_usage(scratch).free // 2)
        command = [sys.executable, "-I", "-B", "-m", "worker.scanning", scratch, str(unpacked)]
        with _as_plain_file(file, scratch) as source:
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env={},
                cwd=scratch,
                start_new_session=True,
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return _failed(f"Looking at it took longer than {seconds:g} seconds.")
            finally:
                _end(process)
        answer.seek(0)
        return _understood(code, answer.read(MOST_ANSWER + 1))


@contextlib.contextmanager
def _as_plain_file(file: BinaryIO, scratch: str) -> Any:
    """The file itself if it is one of the system's, else a copy of it, since the process gets no other way to it."""
    try:
        file.fileno()
    except OSError:
        with tempfile.TemporaryFile(dir=scratch) as copy:
            shutil.copyfileobj(file, copy, 1024 * 1024)
            copy.seek(0)
            yield copy
    else:
        file.seek(0)
        yield file


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _understood(code: int, answer: bytes) -> dict[str, Any]:
    """The process's answer if it is one; whatever else it says means that the file got the better of it."""
    if code:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return _failed(f"The process that looked at it crashed ({how}), which well-made files do not cause.")
    if len(answer) > MOST_ANSWER:
        return _failed("The process that looked at it said more than a report holds.")
    try:
        said = json.loads(answer)
        return {
            "verdict": _one_of(VERDICTS, said["verdict"]),
            "kind": str(said["kind"])[:LONGEST_KIND],
            "findings": [_finding(each) for each in said["findings"][:MOST_FINDINGS]],
            "imports": [str(each)[:LONGEST_TEXT] for each in said["imports"][:MOST_IMPORTS]],
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return _failed("The process that looked at it did not answer with a report.")


def _finding(said: dict[str, Any]) -> dict[str, str]:
    return {
        "severity": _one_of({each.value for each in Severity}, said["severity"]),
        "sentence": str(said["sentence"])[: LONGEST_TEXT + 1],
        "evidence": str(said["evidence"])[: LONGEST_TEXT + 1],
    }


def _one_of(known: set[str], said: Any) -> str:
    if said not in known:
        raise ValueError(f"{said!r} is not one of {known}")
    return str(said)


def _failed(sentence: str) -> dict[str, Any]:
    return suspicious("unknown", [sentence]).document()
