"""Whether files compile under the Python that will run them; nothing of them is run."""

import platform
import warnings
from collections.abc import Sequence
from pathlib import Path

from hopyard.server.failures import Failure, one_line, trimmed_traceback
from hopyard.server.loader import source_of


def check(scripts: Sequence[Path]) -> str:
    """Return a sentence about all of them. Raises Failure about those that are wrong."""
    failures = [failure for failure in map(_failure, scripts) if failure]
    if failures:
        evidence = "\n\n".join(each.evidence for each in failures if each.evidence)
        raise Failure(failures[0].code, " ".join(each.reason for each in failures), evidence)
    names = " and ".join(script.name for script in scripts)
    return f"{names} {'are' if len(scripts) > 1 else 'is'} valid for {_python()}."


def _failure(script: Path) -> Failure | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # they are told when it is imported
            compile(source_of(script), str(script.absolute()), "exec", dont_inherit=True)
    except Failure as failure:
        return failure
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        wrong = f"{error.msg}; correct it and try again"
        evidence = trimmed_traceback(error)
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        line, evidence = "", ""
        wrong = f"the compiler gave up ({one_line(error)}); write it in smaller pieces"
    else:
        return None
    return Failure(
        "ScriptSyntaxError", f"{script.name}{line} is not valid for {_python()}: {wrong}.", evidence
    )


def _python() -> str:
    return f"Python {platform.python_version()}"
