"""What is left out of records of calls: the shape of a rule, and what can be refused without asking the platform."""

from __future__ import annotations

from typing import Literal, TypedDict

from hopyard.client.errors import InvalidArgument

WORDS = {"action": ("remove", "mask", "hash"), "in": ("inputs", "outputs", "both")}

# `in` is a word of Python's, so that this cannot be a class.
RedactionRule = TypedDict(
    "RedactionRule",
    {
        "field": str,
        "pattern": str,
        "in": Literal["inputs", "outputs", "both"],
        "action": Literal["remove", "mask", "hash"],
    },
    total=False,
)
"""A `field` by its path, such as instances[*].email, or what a `pattern`, a regular expression, finds."""


def check_redaction(rules: object) -> None:
    """Raises InvalidArgument with the first rule that cannot be right."""
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidArgument(
            f'redaction is a list of rules such as {{"field": "email", "action": "mask"}}, not {rules!r}.'
        )
    for rule in rules:
        for key, words in WORDS.items():
            if key in rule and rule[key] not in words:
                raise InvalidArgument(
                    f"{key!r} in a rule of redaction is one of {', '.join(words)}, not {rule[key]!r}."
                )
