"""What a script's source says before it runs: whether it starts a ModelServer, and what it forgot to import."""

import ast
import importlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4


def starts_server(tree: ast.Module) -> bool:
    """Whether a script imports kserve, makes a ModelServer and calls a `start`."""
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    makes = any(_last(function) == "ModelServer" for function in called)
    starts = any(isinstance(function, ast.Attribute) and function.attr == "start" for function in called)
    return makes and starts and imports_kserve(tree)


def imports_kserve(tree: ast.Module) -> bool:
    """Whether any module of kserve is imported, anywhere in the script."""
    return "kserve" in {name.partition(".")[0] for name in _imported(tree)}


def forgotten(tree: ast.Module) -> dict[str, Any]:
    """Return the values of names that published examples use without importing them."""
    if not imports_kserve(tree):
        return {}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    bound = set(_bound(tree))
    return {name: make() for name, make in _DEFAULTS.items() if name in used - bound}


def parsed(source: bytes | str) -> ast.Module:
    """Return the syntax tree; an empty one where there is an error, which importing the script will tell."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _new_id() -> str:
    return str(uuid4())


_DEFAULTS: dict[str, Callable[[], Any]] = {
    "generate_uuid": lambda: _new_id,
    "ray": lambda: importlib.import_module("ray"),
}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id


def _last(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
