"""Follows a pickle's stack and memo without making any object, so that every import and call is known by name."""

from dataclasses import dataclass, field
from typing import Any

from worker.scanning.findings import Severity
from worker.scanning.opcodes import Broken

MOST_KEYS = 64
MOST_REMARKS = 50


class Opaque:
    """Some value that matters to nobody here."""


OPAQUE = Opaque()


@dataclass(frozen=True)
class Imported:
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Made:
    """What a call gave, with the state that BUILD gave it."""

    by: Any
    arguments: Any
    state: Any = None


@dataclass(eq=False)
class Mapping:
    """A dictionary, of which the first few text keys are kept."""

    known: dict[str, Any] = field(default_factory=dict)

    def put(self, key: Any, value: Any) -> None:
        if isinstance(key, str) and len(self.known) < MOST_KEYS:
            self.known[key] = value


@dataclass
class Machine:
    """`imports` are in the order of the stream; `remarks` are what no ordinary pickle does."""

    imports: dict[Imported, int] = field(default_factory=dict)
    called: set[Imported] = field(default_factory=set)
    remarks: list[tuple[Severity, str]] = field(default_factory=list)
    stack: list[Any] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def remark(self, severity: Severity, sentence: str) -> None:
        if (severity, sentence) not in self.remarks and len(self.remarks) < MOST_REMARKS:
            self.remarks.append((severity, sentence))

    def bring(self, module: Any, name: Any, position: int) -> Any:
        """Import a name, as GLOBAL does; a name that is made up on loading is a remark."""
        if not isinstance(module, str) or not isinstance(name, str):
            self.remark(Severity.DANGEROUS, "It imports something whose name is only made up on loading.")
            return OPAQUE
        if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
            raise Broken(f"{module!r} and {name!r} name nothing")
        found = Imported(module, name)
        self.imports.setdefault(found, position)
        return found

    def call(self, what: Any, arguments: Any) -> None:
        if isinstance(what, Imported):
            self.called.add(what)
        else:
            self.remark(Severity.SUSPICIOUS, "It calls something that is only made on loading.")
        self.stack.append(Made(what, arguments))

    def change(self, target: Any) -> None:
        if isinstance(target, Imported):
            self.remark(Severity.SUSPICIOUS, f"It changes {target} itself, for the whole process.")

    def drop(self, value: Any) -> None:
        if isinstance(value, Made):
            what = value.by if isinstance(value.by, Imported) else "something"
            self.remark(Severity.SUSPICIOUS, f"It calls {what} and throws the result away.")
