"""Reads typed settings from environment variables and says clearly which one is wrong."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class Environment:
    """Variables with the prefix `HOPYARD_`; a value of the wrong form stops the start."""

    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def text(self, name: str, default: str) -> str:
        return self.variables.get(f"HOPYARD_{name}", default)

    def words(self, name: str, default: str) -> list[str]:
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def pairs(self, name: str, default: str) -> dict[str, str]:
        words = self.words(name, default)
        if wrong := [word for word in words if not all(word.partition("="))]:
            raise ImproperlyConfigured(f"HOPYARD_{name} holds {wrong[0]!r}, which is no name=value")
        return dict(word.split("=", 1) for word in words)

    def path(self, name: str, default: Path) -> Path:
        return Path(self.text(name, str(default))).expanduser().absolute()

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "on" if default else "off").lower()
        if value not in TRUE | FALSE:
            raise ImproperlyConfigured(f"HOPYARD_{name} is {value!r}; write on or off.")
        return value in TRUE

    def choice(self, name: str, default: str, choices: list[str]) -> str:
        value = self.text(name, default).lower()
        if value not in choices:
            raise ImproperlyConfigured(f"HOPYARD_{name} is {value!r}; write {' or '.join(choices)}.")
        return value

    def number(self, name: str, default: int, *, least: int | None = None) -> int:
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise ImproperlyConfigured(f"HOPYARD_{name} is {value!r}; write a whole number.") from None
        if least is not None and number < least:
            raise ImproperlyConfigured(f"HOPYARD_{name} is {number}; write a whole number from {least}.")
        return number

    def ports(self, name: str, default: str) -> range:
        first, _, last = self.text(name, default).partition("-")
        try:
            ports = range(int(first), int(last or first) + 1)
        except ValueError:
            ports = range(0)
        if not ports or ports[0] < 1 or ports[-1] > 65535:
            raise ImproperlyConfigured(f"HOPYARD_{name} must be a range of ports such as {default}.")
        return ports
