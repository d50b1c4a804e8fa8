"""What a handler takes and reads, found out once from its signature and its code."""

import dis
import inspect
from collections.abc import Callable
from typing import Any

_SEES_ALL = {"locals", "vars", "eval", "exec"}


def is_overridden(instance: Any, name: str) -> bool:
    """Whether a method is the user's own, and not the one of KServe's base classes."""
    return name in getattr(instance, "__dict__", {}) or overrides(type(instance), name)


def overrides(kind: type, name: str) -> bool:
    """Whether the class has a method of its own, or of the user's, for one of KServe's."""
    owner = next((each for each in kind.__mro__ if name in vars(each)), None)
    return owner is not None and owner is not object and owner.__module__ != "kserve.model"


def takes(method: Callable[..., Any], *, answers_headers: bool) -> int:
    """Return how many of (payload, headers, response headers) a handler is called with.

    The third is only for those that ask for it: by the model's own setting, or by a third parameter that
    must be given or bears that name.
    """
    limit = 3 if answers_headers else 2
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):  # no Python function
        return limit
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return limit
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(places) > 2 and (places[2].default is places[2].empty or places[2].name == "response_headers"):
        limit = 3
    return max(1, min(len(places), limit))


def reads_argument(method: Callable[..., Any], position: int) -> bool:
    """Whether a bound method's code looks at its argument number `position`, from 0. True where it is unclear."""
    function = getattr(method, "__func__", method)
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS or _SEES_ALL & set(code.co_names):
        return True
    position += hasattr(method, "__self__")
    if position >= code.co_argcount:
        return False
    name = code.co_varnames[position]
    return name in code.co_cellvars or any(_loads(each, name) for each in dis.get_instructions(code))


def _loads(instruction: dis.Instruction, name: str) -> bool:
    if not instruction.opname.startswith(("LOAD_FAST", "STORE_FAST_LOAD_FAST")):
        return False
    value = instruction.argval
    return name in value if isinstance(value, tuple) else value == name
