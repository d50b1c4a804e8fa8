"""Runs the checks of a module, `check_*(address)`, and prints what became of each as one JSON object."""

import asyncio
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any


def run(namespace: dict[str, Any]) -> None:
    address = sys.argv[1]
    checks = {name: each for name, each in namespace.items() if name.startswith("check_")}
    outcomes = {name: outcome(check, address) for name, check in checks.items()}
    sys.stdout.write(json.dumps(outcomes) + "\n")


def outcome(check: Callable[[str], Any], address: str) -> str:
    """Empty if the check passed, else the traceback."""
    try:
        if inspect.iscoroutinefunction(check):
            asyncio.run(check(address))
        else:
            check(address)
    except BaseException:
        return traceback.format_exc()
    return ""


def raises(kind: type[BaseException], ask: Callable[[], Any]) -> str:
    """What the error said that was expected."""
    try:
        ask()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")
