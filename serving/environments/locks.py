"""Reads and writes locks: exact versions with the hashes of their files, for one Python."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

HASH = re.compile(r"--hash=(\S+)")


@dataclass(frozen=True)
class Package:
    """A line of a lock; `url` only where it does not come from an index."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    marker: str = ""
    url: str = ""

    def __str__(self) -> str:
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


def key(python: str, lock: str) -> str:
    """What an environment is known by: the sha256 of its Python and its lock."""
    return hashlib.sha256(f"{python}\n{lock}".encode()).hexdigest()


def write(packages: Iterable[Package]) -> str:
    """The lock in its one form, by name."""
    lines = []
    for each in sorted(packages, key=lambda package: (package.name, package.version, package.marker)):
        marker = f" ; {each.marker}" if each.marker else ""
        lines.append(" \\\n".join([f"{each}{marker}", *(f"    --hash={one}" for one in sorted(each.hashes))]))
    return "\n".join(lines) + "\n" if lines else ""


def read(lock: str) -> list[Package]:
    """Every line of a lock, those for other Pythons included."""
    return list(_read(lock))


def packages(lock: str, python: str) -> list[Package]:
    """What the lock installs for a Python such as "3.11" on this kind of machine, by name."""
    known = {name: str(value) for name, value in default_environment().items()}
    known |= {"python_version": python, "python_full_version": f"{python}.99"}
    return [each for each in _read(lock) if _applies(each.marker, known)]


def _applies(marker: str, known: dict[str, str]) -> bool:
    if not marker:
        return True
    found = Requirement(f"x ; {marker}").marker
    return found is None or found.evaluate(known)


def _read(lock: str) -> Iterator[Package]:
    for line in lock.replace("\\\n", " ").splitlines():
        words = HASH.sub("", line).partition(" #")[0].strip()
        if not words or words.startswith(("#", "-")):
            continue
        try:
            found = Requirement(words)
        except InvalidRequirement:
            continue
        version = next((each.version for each in found.specifier if each.operator in {"==", "==="}), "")
        yield Package(
            name=canonicalize_name(found.name),
            version=version,
            hashes=tuple(HASH.findall(line)),
            marker=str(found.marker or ""),
            url=found.url or "",
        )
