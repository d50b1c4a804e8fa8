"""Looks at a skops file, which loads only the types its reader trusts, and names those to be trusted."""

import json
from collections.abc import Iterator
from typing import Any

from worker.scanning.findings import Report, Severity
from worker.scanning.machine import Imported
from worker.scanning.names import Judgement, judge

MOST_BYTES = 64 * 1024 * 1024


def look(report: Report, schema: bytes) -> None:
    """Add the types of a schema.json, which nothing here loads."""
    if len(schema) > MOST_BYTES:
        report.suspect("The schema of this skops file is too big to be looked at.")
        return
    try:
        document = json.loads(schema)
    except (ValueError, RecursionError):
        report.suspect("The schema of this skops file cannot be read.")
        return
    for module, name in sorted(set(_types(document))):
        _name(report, module, name)


def _name(report: Report, module: str, name: str) -> None:
    report.imports.add(f"{module}.{name}")
    judgement = judge(Imported(module, name))
    if judgement is Judgement.DANGEROUS:
        report.add(
            Severity.DANGEROUS,
            f"It asks its reader to trust {module}.{name}, which reaches out of the model.",
        )
    elif judgement is Judgement.UNEXPECTED and not _is_ufunc(module, name):
        report.add(
            Severity.CODE, f"It asks its reader to trust {module}.{name}, of which nothing is known here."
        )


def _is_ufunc(module: str, name: str) -> bool:
    """What skops trusts by itself beside the classes of scikit-learn."""
    return module in {"numpy", "scipy.special", "scipy.special._ufuncs"} and name.isidentifier()


def _types(document: Any) -> Iterator[tuple[str, str]]:
    """Every `__module__` and `__class__` of the schema, without recursion."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            module, name = node.get("__module__"), node.get("__class__")
            if isinstance(module, str) and isinstance(name, str):
                yield module, name
            content = node.get("content")
            if isinstance(content, dict) and isinstance(content.get("module_path"), str):
                yield content["module_path"], str(content.get("function", "?"))
