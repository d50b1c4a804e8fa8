"""Whether a method can be called the way the server calls it, as far as its signature tells. Nothing is run."""

import inspect
from collections.abc import Sequence
from inspect import Parameter
from pathlib import Path
from types import FunctionType
from typing import Any

# Who names the first parameter of a method so has forgotten `self`.
OF_CALLERS = {"X", "body", "data", "input", "inputs", "instances", "payload", "request", "response", "rows"}
PLACES = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def complaint(owner: Any, name: str, given: Sequence[str]) -> str:
    """Why a class's or object's method cannot be called with so many arguments; empty where it can, where there
    is no such method, and where only the call itself would tell.
    """
    raw = inspect.getattr_static(owner, name, None)
    if raw is None:
        return ""
    label = f"{_class_name(owner)}.{name}{_line(raw)}"
    should = f"write def {name}({', '.join(('self', *given))})"
    if not (callable(raw) or hasattr(type(raw), "__get__")):
        return f"{label} is {_article(type(raw).__name__)} and no method; {should}."
    takes_self = isinstance(raw, FunctionType | classmethod) and name not in getattr(owner, "__dict__", {})
    takes_self = takes_self or (isinstance(owner, type) and isinstance(raw, FunctionType | classmethod))
    parameters = _parameters(raw)
    if parameters is None:
        return ""
    if takes_self:
        if not parameters or (parameters[0].kind in PLACES and parameters[0].name in OF_CALLERS):
            return f"{label} has no self; {should}."
        if parameters[0].kind in PLACES:
            parameters = parameters[1:]
    elif parameters and parameters[0].name == "self":
        return f"{label} is a staticmethod, which gets no self; remove @staticmethod."
    return _against(parameters, given, label, f"{name}({', '.join(given)})", should)


def needed(kind: type) -> list[str]:
    """The arguments that constructing a class needs."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in parameters if _is_needed(each)]


def _against(
    parameters: Sequence[Parameter], given: Sequence[str], label: str, call: str, should: str
) -> str:
    places = [each for each in parameters if each.kind in PLACES]
    takes_any = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    if len(places) < len(given) and not takes_any:
        missing = " and ".join(given[len(places) :])
        return f"{label} takes no {missing}, and the server calls {call}; {should}."
    later = [*places[len(given) :], *(each for each in parameters if each.kind is Parameter.KEYWORD_ONLY)]
    names = " and ".join(each.name for each in later if _is_needed(each))
    if names:
        return f"{label} needs {names} too, and the server calls {call}; remove {names} or give a default."
    return ""


def _parameters(raw: Any) -> list[Parameter] | None:
    """Those of what is really called: not those of a function behind a decorator, which may add some."""
    function = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
    if not isinstance(function, FunctionType):
        return None
    return list(inspect.signature(function, follow_wrapped=False).parameters.values())


def _is_needed(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind in (*PLACES, Parameter.KEYWORD_ONLY)


def _class_name(owner: Any) -> str:
    return str((owner if isinstance(owner, type) else type(owner)).__name__)


def _line(raw: Any) -> str:
    code = getattr(getattr(raw, "__func__", raw), "__code__", None)
    return f" (line {code.co_firstlineno} of {Path(code.co_filename).name})" if code else ""


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
