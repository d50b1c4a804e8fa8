"""Judges one import of a pickle: ordinary, code nothing is known of, or something that reaches out of the model."""

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from enum import StrEnum

from worker.scanning.dangerous import DANGEROUS_NAMES, DANGEROUS_ROOTS, DANGEROUS_WORDS
from worker.scanning.machine import Imported
from worker.scanning.ordinary import is_ordinary


class Judgement(StrEnum):
    ORDINARY = "ordinary"
    UNEXPECTED = "unexpected"
    DANGEROUS = "dangerous"


HARMLESS_BUILTINS = {
    "type",
    "unicode",
    "long",
    "Exception",
    "ValueError",
    "TypeError",
    "KeyError",
    "RuntimeError",
}


def judge(found: Imported) -> Judgement:
    """The judgement of an import, also under the name that Python 3 gives to one of Python 2."""
    given, newer = (found.module, found.name), _python3(found)
    if is_ordinary(*newer):
        return Judgement.ORDINARY
    is_dangerous = _is_dangerous(*given) or _is_dangerous(*newer)
    return Judgement.DANGEROUS if is_dangerous else Judgement.UNEXPECTED


def _python3(found: Imported) -> tuple[str, str]:
    """What an old name means today, as the unpickler itself decides it."""
    mapped: tuple[str, str] | None = NAME_MAPPING.get((found.module, found.name))
    return mapped or (IMPORT_MAPPING.get(found.module, found.module), found.name)


def _is_dangerous(module: str, name: str) -> bool:
    parts = module.split(".")
    above = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    names = name.split(".")
    if above & DANGEROUS_ROOTS or f"{module}.{name}" in DANGEROUS_NAMES:
        return True
    if module in {"builtins", "__builtin__", "__builtins__"}:
        return name not in HARMLESS_BUILTINS
    return any(_is_special(each) or each in DANGEROUS_WORDS | DANGEROUS_ROOTS for each in names)


def _is_special(part: str) -> bool:
    return part.startswith("__") and part.endswith("__")
