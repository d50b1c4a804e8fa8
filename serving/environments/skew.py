"""Compares the packages a model was trained with and those it is served with, where a difference is known to break."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

MAJOR = 1
MINOR = 2
PYTHON = "python"
PICKLED = "files it pickled are only promised to load in the version that wrote them"

# How many leading numbers of a version must agree, and what breaks if they do not.
RULES: dict[str, tuple[int, str]] = {
    "scikit-learn": (MINOR, PICKLED),
    "numpy": (MAJOR, "arrays pickled by one major version name modules that the other does not have"),
    "pandas": (MAJOR, "frames and dtypes pickled by one major version may not load in the other"),
    "xgboost": (MAJOR, "pickled boosters do not load across major versions; saved ones (save_model) do"),
    "lightgbm": (MAJOR, "pickled boosters may not load across major versions"),
    "catboost": (MAJOR, "models of one major version may not load in the other"),
    "torch": (MAJOR, "pickled modules may not load across major versions"),
    "tensorflow": (
        MINOR,
        "saved models may not load in an older minor version, and Keras changed its format",
    ),
    "keras": (MAJOR, "one major version does not read the other's files"),
    "joblib": (MAJOR, PICKLED),
    "cloudpickle": (MAJOR, PICKLED),
    "skops": (MINOR, "its file format changes between minor versions"),
    "onnxruntime": (MAJOR, "models of a newer operator set do not load in an older one"),
    "transformers": (MAJOR, "configurations and weights are renamed across major versions"),
}
BYTECODE = ("cloudpickle", "dill")


@dataclass(frozen=True)
class Skew:
    """A difference known to break; `package` may be `python`."""

    package: str
    trained: str
    locked: str
    sentence: str

    @property
    def pin(self) -> str:
        """What to ask for instead, as a requirement; of a Python, the minor version."""
        if self.package == PYTHON:
            return f"{PYTHON}=={'.'.join(self.trained.split('.')[:2])}"
        return f"{self.package}=={Version(self.trained).public}"


def compare(
    trained: Mapping[str, str], locked: Mapping[str, str], *, trained_python: str = "", python: str = ""
) -> list[Skew]:
    """The skews of `locked` against `trained`, both versions by package name; what is unknown is no skew."""
    before: dict[str, str] = {canonicalize_name(name): version for name, version in trained.items()}
    now: dict[str, str] = {canonicalize_name(name): version for name, version in locked.items()}
    found = []
    for name, (depth, consequence) in RULES.items():
        if name in before and name in now and _differ(before[name], now[name], depth):
            found.append(_skew(name, before[name], now[name], consequence))
    pickler = next((name for name in BYTECODE if name in before), None)
    if pickler and trained_python and python and _differ(trained_python, python, MINOR):
        words = f"{pickler} stores bytecode, which only the same minor version of Python can run"
        found.append(_skew(PYTHON, trained_python, python, words))
    return found


def pins(requirements: str, skews: Iterable[Skew], *, otherwise: Iterable[str] = ()) -> str:
    """The requirements with the training's versions of the skewed packages; `otherwise` are the names to begin with
    where nothing was asked for, which an own requirements text would leave out.
    """
    lines = requirements.splitlines() or sorted(otherwise)
    for skew in skews:
        if skew.package == PYTHON:
            continue
        places = [place for place, line in enumerate(lines) if _name(line) == skew.package]
        for place in places:
            lines[place] = _pinned(lines[place], skew)
        if not places:
            lines.append(skew.pin)
    return "\n".join(lines)


def _skew(name: str, trained: str, locked: str, consequence: str) -> Skew:
    shown = "Python" if name == PYTHON else name
    sentence = f"Trained with {shown} {trained}, served with {locked}: {consequence}."
    return Skew(name, trained, locked, sentence)


def _differ(one: str, other: str, depth: int) -> bool:
    try:
        return _release(one)[:depth] != _release(other)[:depth]
    except InvalidVersion:
        return False


def _release(text: str) -> tuple[int, ...]:
    return (*Version(text).release, 0, 0)


def _name(line: str) -> str:
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
    return canonicalize_name(found[1]) if found else ""


def _pinned(line: str, skew: Skew) -> str:
    """The line with the pin in place of its versions; extras and marker stay."""
    words = line.partition(" #")[0].partition(" --hash")[0]
    head, semicolon, marker = words.partition(";")
    extras = re.search(r"\[[^\]]*\]", head)
    name, equals, version = skew.pin.partition("==")
    return f"{name}{extras[0] if extras else ''}{equals}{version}" + (
        f" ; {marker.strip()}" if semicolon else ""
    )
