"""Rules of redaction as lines: `mask inputs field customer.name`, `remove both pattern [0-9]{16}`."""

from __future__ import annotations

import click

KINDS = ("field", "pattern")


def rules(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> list[dict[str, str]] | None:
    """The rules of all lines, None if none was given; empty lines are none."""
    return [_rule(value, parameter) for value in values if value.strip()] if values else None


def line(rule: dict[str, str]) -> str:
    kind = next((each for each in KINDS if each in rule), KINDS[0])
    return f"{rule.get('action', 'mask')} {rule.get('in', 'both')} {kind} {rule.get(kind, '')}"


def _rule(value: str, parameter: click.Parameter) -> dict[str, str]:
    action, _, rest = value.lstrip().partition(" ")
    where, _, rest = rest.lstrip().partition(" ")
    kind, _, said = rest.lstrip().partition(" ")
    if kind not in KINDS or not said.strip():
        raise click.BadParameter(
            f"{value!r} is not ACTION WHERE field PATH, or ACTION WHERE pattern EXPRESSION.", param=parameter
        )
    return {"action": action, "in": where, kind: said.strip() if kind == "field" else said}
