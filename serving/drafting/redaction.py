"""Checks the rules of redaction: what is left out of inference records. `rules.py` of the model server applies them."""

import importlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from serving.errors import ServingError
from serving.settings import Settings

ACTIONS = ("remove", "mask", "hash")
DIRECTIONS = ("inputs", "outputs", "both")
KEYS = {"field", "pattern", "in", "action"}
MOST_RULES = 50
LONGEST_FIELD = 200
LONGEST_PATTERN = 500
MANY = 16  # times that something may repeat before it counts as endless


def check(wanted: Settings) -> None:
    """Raises ServingError with the first rule that is wrong."""
    rules: Any = wanted.redaction
    if not isinstance(rules, list):
        raise _error('The rules of redaction are a list, such as [{"field": "email", "action": "mask"}].')
    if len(rules) > MOST_RULES:
        raise _error(f"There are {len(rules)} rules of redaction; at most {MOST_RULES} are applied.")
    for number, rule in enumerate(rules, 1):
        wrong = _wrong_with(rule)
        if wrong:
            raise _error(f"Rule {number} of the redaction: {wrong}")


def _wrong_with(rule: Any) -> str:
    """What is wrong with one rule; empty if nothing."""
    if not isinstance(rule, dict):
        return 'it is an object, such as {"field": "email", "action": "mask"}.'
    unknown = sorted(str(key) for key in rule.keys() - KEYS)
    if unknown:
        return f"{', '.join(unknown)[:100]} is not known; a rule has field or pattern, in, and action."
    for key, words in (("action", ACTIONS), ("in", DIRECTIONS)):
        if key in rule and rule[key] not in words:
            return f"its {key} is {str(rule[key])[:40]!r}; write {', '.join(words[:-1])} or {words[-1]}."
    if bool(rule.get("field")) == bool(rule.get("pattern")):
        return "it has either a field, such as instances[*].email, or a pattern, a regular expression."
    key, wrong = ("field", _wrong_field) if rule.get("field") else ("pattern", _wrong_pattern)
    return wrong(rule[key]) if isinstance(rule[key], str) else f"its {key} is a text."


def _wrong_field(path: str) -> str:
    if len(path) > LONGEST_FIELD:
        return f"its field has more than {LONGEST_FIELD} characters."
    parts = re.sub(r"\[([^\[\]]*)\]", r".\1", path.strip()).removeprefix("$").removeprefix(".").split(".")
    if not all(part.strip() for part in parts) or "\0" in path:
        return (
            f"its field {path!r} is no path; write names with dots between them, such as instances[*].email."
        )
    return ""


def _wrong_pattern(pattern: str) -> str:
    if len(pattern) > LONGEST_PATTERN:
        return f"its pattern has more than {LONGEST_PATTERN} characters."
    try:
        re.compile(pattern)
        parsed = importlib.import_module("re._parser").parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"its pattern {pattern!r} is no regular expression: {error}."
    if re.fullmatch(pattern, "") and parsed.getwidth()[1] == 0:
        return f"its pattern {pattern!r} matches nothing but the empty text."
    if _is_explosive(parsed):
        return (
            f"its pattern {pattern!r} repeats what repeats itself, so that some texts would take for ever; "
            "write one quantifier instead of two, such as a+ for (a+)+."
        )
    return ""


def _is_explosive(sequence: Iterable[tuple[Any, Any]]) -> bool:
    """Whether a part that may repeat without end is nothing but another one, as in `(a+)+`: how a text divides among
    the two has no bound that could be computed. What this does not see, the replicas end by the clock.
    """
    for code, argument in sequence:
        if _is_repeat(code) and argument[1] > MANY and _slides(argument[2]):
            return True
        if any(_is_explosive(part) for part in _parts(code, argument)):
            return True
    return False


def _slides(body: Any) -> bool:
    """Whether all that has to be in a repeated part is one other part of no certain length."""
    required = [item for item in body if _least_width(body, item) > 0]
    return len(required) <= 1 and any(_varies(*item) for item in required or body)


def _varies(code: Any, argument: Any) -> bool:
    if _is_repeat(code):
        return bool(argument[1] - argument[0] > MANY)
    return str(code) in {"SUBPATTERN", "BRANCH"} and any(_slides(part) for part in _parts(code, argument))


def _parts(code: Any, argument: Any) -> list[Any]:
    """The sequences in one item of a parsed expression."""
    where: Mapping[str, Any] = {"SUBPATTERN": -1, "ASSERT": 1, "ASSERT_NOT": 1}
    name = str(code)
    if name == "BRANCH":
        return list(argument[1])
    if _is_repeat(code):
        return [argument[2]]
    if name == "ATOMIC_GROUP":
        return [argument]
    return [argument[where[name]]] if name in where else []


def _is_repeat(code: Any) -> bool:
    return str(code) in {"MAX_REPEAT", "MIN_REPEAT"}


def _least_width(body: Any, item: Any) -> int:
    return int(type(body)(body.state, [item]).getwidth()[0])


def _error(sentence: str) -> ServingError:
    return ServingError(sentence, field="redaction")
