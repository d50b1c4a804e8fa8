"""Authoring styles: how a user's script becomes `Model`s. One module per style.

A flavor is a module with three names:

`STYLE: str`
    What its users call it, such as ``Predict``.
`find(module, host) -> object | None`
    Look at an imported script and return what this flavor would serve, or `None`. It must not run user
    code. The first flavor that finds something serves it.
`build(found, host) -> list[Model]`
    Construct the user's objects and describe them. User code runs here, in the thread that will make the
    predictions, and its exceptions pass through untouched: the loader words them. What is wrong with the
    script itself (no method to call) is raised as a `Failure` with its own code.

A `Model` holds one `Exchange` per way of asking it. An exchange turns what was asked into the payload of an
`Operation`, and its value into the answer. Everything that can be decided is decided in `build`: whether to
await the operation, whether rows of several requests may be joined, how its value is written.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from hopyard.server.replies import Problem, Reply

if TYPE_CHECKING:
    from hopyard.server.inference_log.mlrun import Messages
    from hopyard.server.transformers.transformer import Transformer


class Alone:
    """The payload of a row-wise operation that must not be joined with others."""

    __slots__ = ("payload",)

    def __init__(self, payload: Any) -> None:
        self.payload = payload


@dataclass(frozen=True, slots=True)
class Operation:
    """One callable of the user's object.

    `is_async`: calling it gives a coroutine, awaited on the event loop; otherwise it is called in the
    model's thread. `is_rowwise`: the payload is a list or an array of rows and the answer one item per row,
    so the payloads of several requests may be joined and the answer cut; a payload that is an `Alone` is
    handed over as it is, by itself.
    """

    run: Callable[[Any], Any]
    is_async: bool = False
    is_rowwise: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One way of asking one operation; both functions run on the event loop.

    `decode(asked) -> payload` raises `Problem` when the question is wrong. `encode(value, asked)` returns the
    body of a 200 JSON answer, or a whole `Reply`; it raises `Unserialisable` or `Problem`. What `asked` is
    depends on where the exchange hangs in its `Model`.
    """

    operation: Operation
    decode: Callable[[Any], Any]
    encode: Callable[[Any, Any], Any]


def _nothing() -> str:
    return ""


def _no_opinion(error: BaseException) -> Problem | None:
    return None


@dataclass(frozen=True, slots=True)
class Model:
    """What a flavor made of one of the user's objects.

    `verbs`: V1, `POST /v1/models/<name>:<verb>`; asked with the HTTP `Request`, answered with bytes or `Reply`.
    `tensors`: V2 inference over REST and gRPC; asked with a `TensorRequest`, answered with a `TensorResponse`.
    `operations`: `/v2/models/<name>/<operation>` in the style's own words, any HTTP method, asked and answered
    as `verbs` are; the empty name is the model's own URL, and `"*"` takes every name that is not listed.
    `accepts_tensors(request)`: where both could answer `infer`, whether this body is one of tensors.
    `metadata()`: V2 metadata, `{"inputs": [{"name", "datatype", "shape"}], "outputs": [...], "platform": ""}`.
    `trouble()`: why this model cannot predict now, in one sentence; empty if nothing. Cheap, asked often.
    `problem(error)`: what an exception of user code means to the caller; None for the usual 500.
    `absent(name, names)`: how this style says that it has no such model; None for the usual 404.
    `load()` builds the model anew, after an unload or on demand; `unload()` lets the user's object go. Both
    run in the model's thread. `transformer`: the user's other code, which whoever hosts the model lets every
    question and answer pass. `messages`: where the user's object leaves records of its own
    layout, which is connected with the inference log while the model is served.
    """

    name: str
    style: str
    verbs: Mapping[str, Exchange] = field(default_factory=dict)
    tensors: Exchange | None = None
    operations: Mapping[str, Exchange] = field(default_factory=dict)
    version: str = ""
    accepts_tensors: Callable[[Any], bool] | None = None
    metadata: Callable[[], Mapping[str, Any]] | None = None
    trouble: Callable[[], str] = _nothing
    problem: Callable[[BaseException], Problem | None] = _no_opinion
    absent: Callable[[str, Sequence[str]], Problem] | None = None
    load: Callable[[], "Model"] | None = None
    unload: Callable[[], None] | None = None
    transformer: "Transformer | None" = None
    messages: "Messages | None" = None

    @property
    def key(self) -> str:
        """What the model is called where a version belongs to the name, `name:version`."""
        return f"{self.name}:{self.version}" if self.version else self.name

    def exchanges(self) -> dict[str, Exchange]:
        """All of them, by names that stay the same when the model is loaded again."""
        named = {f"verb {verb}": exchange for verb, exchange in self.verbs.items()}
        named |= {f"operation {name}": exchange for name, exchange in self.operations.items()}
        return {**named, "tensors": self.tensors} if self.tensors else named


@dataclass(frozen=True, slots=True)
class Host:
    """What a flavor may know and use of the server that loads it.

    `name`, `version`: those the platform or the command line gave. `options`: class arguments and parameters
    for styles that take them. `fetches_data_urls`: whether callers may name a URL to fetch the input from.
    `in_thread(call)`: run a sync callable in the model's thread, from a coroutine.
    `observe(model, stage, seconds)`: a stage (`preprocess`, `predict`, `postprocess`, `explain`) took so long.
    `hand_over(models)`: serve these from now on and return when the server stops; for scripts that start their
    server themselves. It must be called in the thread that loads.
    `messages`: where records of a style's own layout go; None where nobody takes any.
    """

    name: str
    version: str
    files_dir: Path | None
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    observe: Callable[[str, str, float], None]
    hand_over: Callable[[Sequence[Model]], None]
    class_name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    fetches_data_urls: bool = False
    messages: "Messages | None" = None


class Flavor(Protocol):
    """The names a flavor module provides."""

    @property
    def STYLE(self) -> str: ...  # noqa: N802
    def find(self, module: ModuleType, host: Host, /) -> object | None: ...
    def build(self, found: Any, host: Host, /) -> list[Model]: ...


__all__ = ["Alone", "Exchange", "Flavor", "Host", "Model", "Operation", "Problem", "Reply"]
