"""What a rule of redaction says: which values, of which direction, and what becomes of them.

A rule is {"field": path} or {"pattern": regular expression}, with "in": inputs, outputs or both, and "action": remove,
mask or hash. A path is names with dots between them; `*` or `[*]` is any name or item, a number an item; lists are
passed through, so that `instances.ssn` is `instances[*].ssn`. A name alone is meant at any depth, and so is one
that has dots itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACTIONS = ("remove", "mask", "hash")
DIRECTIONS = ("inputs", "outputs", "both")
ANY = "*"
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_LOOKS_AROUND = re.compile(r"(?<![\[\\])\^|(?<!\\)\$|\\[AZ]|\(\?<?[=!]")


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is meant at any depth, `path` from the top of a body; a rule has these, or a pattern."""

    action: str
    direction: str
    name: str = ""
    path: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    @property
    def is_of_place(self) -> bool:
        """Whether it depends on where a value stands in its body, so that it finds nothing in a text that quotes it."""
        return self.pattern is None or _LOOKS_AROUND.search(self.pattern.pattern) is not None

    def is_about(self, direction: str) -> bool:
        return self.direction in ("both", direction)


def rule_of(document: Mapping[str, Any]) -> Rule:
    """Read one rule. Raises ValueError."""
    action, direction = document.get("action", "mask"), document.get("in", "both")
    if action not in ACTIONS or direction not in DIRECTIONS:
        raise ValueError(f"a rule's action is one of {', '.join(ACTIONS)}, its in {', '.join(DIRECTIONS)}")
    field, pattern = document.get("field"), document.get("pattern")
    if isinstance(field, str) and field.strip() and not pattern:
        name, path = field.strip(), path_of(field)
        return Rule(action, direction, name="" if ANY in path else name, path=path)
    if isinstance(pattern, str) and pattern and not field:
        try:
            return Rule(action, direction, pattern=re.compile(pattern))
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from None
    raise ValueError("a rule has either a field or a pattern")


def path_of(field: str) -> tuple[str, ...]:
    """The names of a path; `$.`, as JSONPath begins, may stand before them."""
    text = _BRACKETS.sub(r".\1", field.strip())
    return tuple(part for part in text.removeprefix("$").split(".") if part)
