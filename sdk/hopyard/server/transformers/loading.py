"""From a path to a `Transformer`: import the script, find its class, build it, and word what goes wrong."""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from hopyard.server import loader
from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Model, kserve
from hopyard.server.flavors.kserve import describe, signatures
from hopyard.server.flavors.kserve.pipeline import LOOP, THREAD, Loop, Stage, stage_of
from hopyard.server.transformers.transformer import Observe, Transformer

ROLE = "the transformer "
CLASS = "Transformer"
HANDLERS = ("preprocess", "postprocess")
# What published transformers take in their constructors; where the predictor is, is ours to know.
_OF_KSERVE = {
    "predictor_host": "predictor",
    "predictor_protocol": "v1",
    "predictor_use_ssl": False,
    "protocol": "v1",
}


def load(script: Path, host: Host) -> Transformer:
    """Import the script and build its transformer, in this thread. Raises Failure."""
    return build(find(run(script, host), script), script, host)


def run(script: Path, host: Host) -> ModuleType:
    """Import the script; a ModelServer that it starts does nothing. Raises Failure."""
    with loader.worded(script, host.files_dir, importing=True, role=ROLE), _arguments_kept():
        source = loader.source_of(script, role=ROLE)
        preparation = replace(kserve.prepare(source, None), run_as_main=False)
        return loader.imported(script, source, preparation, ())


def find(module: ModuleType, script: Path) -> Any:
    """Return the class `Transformer`, or else the last KServe `Model`, or class of one, that transforms. Raises
    Failure ClassMissing.
    """
    found = getattr(module, CLASS, None)
    if isinstance(found, type):
        return found
    own = list(vars(module).values())
    models = [each for each in own if is_model(each)]
    transforming = [each for each in models if any(_overrides(each, name) for name in HANDLERS)]
    plain = [each for each in transforming if not _overrides(each, "predict")]
    if plain:
        return plain[-1]
    if transforming:
        name = _class_of(transforming[-1]).__name__
        reason = f"{name} overrides predict, which makes it a predictor; take predict out of it"
    else:
        classes = [
            n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__
        ]
        reason = f"the classes found are {', '.join(classes)}" if classes else "it defines no class at all"
    raise Failure(
        "ClassMissing",
        f"The transformer {script.name} has no class named {CLASS}; {reason}. Name the class with preprocess "
        f"or postprocess {CLASS}.",
    )


def build(found: Any, script: Path, host: Host) -> Transformer:
    """Construct what was found and take its handlers. Raises Failure."""
    with loader.worded(script, host.files_dir, importing=False, role=ROLE):
        kind = _class_of(found)
        is_kserve = is_model(found)
        instance = _constructed(found, host) if is_kserve else found()
        make = _of_model if is_kserve else _of_class
        stages = {name: make(instance, name) for name in HANDLERS}
        if not any(stages.values()):
            raise Failure(
                "MethodMissing",
                f"The class {kind.__name__} in the transformer {script.name} has neither preprocess nor "
                "postprocess; add preprocess(self, inputs) or postprocess(self, outputs).",
            )
        return Transformer(kind.__name__, stages["preprocess"], stages["postprocess"], is_kserve)


def before(models: Sequence[Model], transformer: Transformer) -> list[Model]:
    """Return the models with the transformer before them, now and when they are loaded again."""
    return [_before(model, transformer) for model in models]


def spent(observe: Observe) -> Observe:
    """Return how the model behind is observed: the stages it has not are the transformer's to count."""

    def only(model: str, stage: str, seconds: float) -> None:
        if seconds:
            observe(model, stage, seconds)

    return only


def _before(model: Model, transformer: Transformer) -> Model:
    load = model.load
    reload: Callable[[], Model] | None = None if load is None else lambda: _before(load(), transformer)
    return replace(model, transformer=transformer, load=reload)


def _constructed(found: Any, host: Host) -> Any:
    if not isinstance(found, type):
        return found
    given = replace(host, options=_OF_KSERVE, class_name="")
    instance = describe.construct(found, given, name=host.name)
    if not instance.ready:
        Loop().settle(instance.load())
    return instance


def _of_model(instance: Any, name: str) -> Stage | None:
    return stage_of(instance, name) if signatures.is_overridden(instance, name) else None


def _of_class(instance: Any, name: str) -> Stage | None:
    method = getattr(instance, name, None)
    if not callable(method):
        return None
    takes_headers = _takes_headers(method)

    def call(payload: Any, headers: dict[str, str], _: dict[str, str]) -> Any:
        return method(payload, headers) if takes_headers else method(payload)

    is_async = inspect.iscoroutinefunction(method) or inspect.iscoroutinefunction(
        getattr(method, "__call__", None)  # noqa: B004
    )
    return Stage(name, call, LOOP if is_async else THREAD, reads_headers=takes_headers)


def _takes_headers(method: Any) -> bool:
    """Whether a second argument must be given, or is named for what it gets."""
    try:
        places = [
            each
            for each in inspect.signature(method).parameters.values()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # no Python function
        return False
    return len(places) > 1 and (places[1].default is places[1].empty or places[1].name == "headers")


def is_model(each: Any) -> bool:
    if "kserve" not in sys.modules:
        return False
    kind = _class_of(each)
    return issubclass(kind, describe.base_class()) and not kind.__module__.startswith("kserve.")


def _class_of(each: Any) -> type:
    return each if isinstance(each, type) else type(each)


def _overrides(each: Any, name: str) -> bool:
    return signatures.overrides(_class_of(each), name)


@contextmanager
def _arguments_kept() -> Iterator[None]:
    """The command line is the predictor's script's, which may look at it later."""
    kept = list(sys.argv)
    try:
        yield
    finally:
        sys.argv[:] = kept
