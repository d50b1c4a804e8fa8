"""A found class in a sentence: its name, where it stands, and which others might have been meant."""

import inspect
from contextlib import suppress
from types import ModuleType
from typing import Any


def described(target: Any, module: ModuleType) -> str:
    """`target` is a class, or an object that the script made, which is called."""
    kind = target if isinstance(target, type) else type(target)
    what = "The class" if target is kind else "An object of the class"
    others = [each.__name__ for each in _rivals(kind, module)]
    said = f"{what} {kind.__name__}{_place(kind)} is served."
    if others and target is kind:
        return f"{said} {', '.join(others)} would do too; the class name of the serving chooses."
    return said


def _rivals(kind: type, module: ModuleType) -> list[type]:
    """Other classes of the script that derive from the same imported one."""
    foreign = [each for each in kind.__mro__[1:-1] if each.__module__ != kind.__module__]
    if not foreign:
        return []
    return [
        each
        for each in list(vars(module).values())
        if isinstance(each, type)
        and each is not kind
        and each.__module__ == kind.__module__
        and foreign[0] in each.__mro__
    ]


def _place(kind: type) -> str:
    with suppress(OSError, TypeError, IndexError, SyntaxError):
        _, line = inspect.getsourcelines(kind)
        return f" (line {line})"
    return ""
