"""Looks at a file whatever comes: every fault that looking causes is itself a finding."""

import warnings
from typing import Any, BinaryIO

from worker.scanning.budget import Budget, TooMuch
from worker.scanning.confinement import Forbidden
from worker.scanning.findings import Nature, Report, suspicious
from worker.scanning.look import look
from worker.scanning.opcodes import TooLong

UNKNOWN = "unknown"


def examine(file: BinaryIO, unpacked_bytes: int) -> dict[str, Any]:
    """The report {verdict, kind, findings, imports} of a file, of which at most so many bytes are unpacked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own remarks on odd escapes in the file
            return look(file, Budget(unpacked_bytes)).document()
    except (TooMuch, TooLong) as error:
        return suspicious(UNKNOWN, [str(error)]).document()
    except MemoryError:
        return suspicious(UNKNOWN, ["Looking at it takes more memory than it may."]).document()
    except RecursionError:
        return suspicious(UNKNOWN, ["It is nested too deeply to be looked at."]).document()
    except Forbidden as error:
        return _spoilt("While it was looked at, something was tried that reading never does.", str(error))
    except Exception as error:
        return _spoilt(
            "It could not be looked at, which well-made files do not cause.",
            f"{type(error).__name__}: {error}",
        )


def _spoilt(sentence: str, evidence: str) -> dict[str, Any]:
    report = Report(UNKNOWN, Nature.UNKNOWN)
    report.suspect(sentence, evidence)
    return report.document()
