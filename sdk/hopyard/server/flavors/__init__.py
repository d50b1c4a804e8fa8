"""Authoring styles: how a user's script becomes a `Model`. One module per style.

A flavor is a module with three names:

`STYLE: str`
    What its users call it, such as ``Predict``.
`find(module) -> object | None`
    Look at an imported script and return what this flavor would serve, or `None`. It must not run
    user code. The first flavor that finds something serves it.
`build(found, *, name) -> Model`
    Construct the user's object and describe it. User code runs here, in the model's own thread, and
    its exceptions pass through untouched: the loader words them. What is wrong with the script
    itself (no method to call) is raised as a `Failure` with its own code.

A `Model` holds one `Operation` per verb. An operation takes the decoded payload of a request (for
`Predict`, the list of rows) and returns any value the codec can encode. Everything that can be
decided is decided in `build`: whether to await it, and whether rows may be predicted together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Operation:
    """One callable of the user's object.

    `is_async`: calling it gives a coroutine, awaited on the event loop; otherwise it is called in the
    model's thread. `is_rowwise`: the payload is a list of rows and the answer one item per row, so
    the payloads of several requests may be joined and the answer cut.
    """

    run: Callable[[Any], Any]
    is_async: bool = False
    is_rowwise: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """What a flavor made of a script."""

    name: str
    style: str
    operations: Mapping[str, Operation]


class Flavor(Protocol):
    """The names a flavor module provides."""

    @property
    def STYLE(self) -> str: ...  # noqa: N802
    def find(self, module: ModuleType, /) -> object | None: ...
    def build(self, found: Any, /, *, name: str) -> Model: ...
