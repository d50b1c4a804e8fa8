"""The checks themselves, in the steps of a start: each returns what it saw, or raises the `Failure` a start would."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter
from types import ModuleType
from typing import Any

from hopyard.server import loader, verification
from hopyard.server.config import Config
from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Model, kserve
from hopyard.server.hosted import Hosted
from hopyard.server.loading import host_of, script_of
from hopyard.server.metrics import Metrics
from hopyard.server.preflight import classes, methods, syntax
from hopyard.server.preflight.answers import Trial
from hopyard.server.runners import ModelThread
from hopyard.server.transformers import loading as transformers
from hopyard.server.transformers.transformer import Transformer

READY_SECONDS = 5.0
POLL_SECONDS = 0.05
# What a script that starts its server itself can be refused for, by check.
REFUSED_LATER = {
    "class": ("ClassAmbiguous", "ClassInvalid", "ClassMissing"),
    "methods": ("MethodAsync", "MethodMissing"),
    "loads": ("NotReady",),
}


class NotAsked(Exception):
    """There is nothing to check; the text says so."""


@dataclass(frozen=True, slots=True)
class Passed:
    """`evidence` is something to look at, such as the answer."""

    sentence: str
    evidence: str = ""


class Stages:
    """What the checks hand on to each other: the module, what was found in it, its models, their answer."""

    def __init__(self, settings: Config, thread: ModelThread) -> None:
        self._settings = settings
        self._thread = thread
        self._metrics = Metrics()
        self._host: Host = host_of(
            settings,
            in_thread=thread.call,
            observe=self._metrics.observe_stage,
            hand_over=thread.answer_and_go_on,
        )
        self._module: ModuleType | None = None
        self._refusal: Failure | None = None
        self._found: loader.Found | None = None
        self._targets: list[Any] = []
        self._models: list[Model] | None = None
        self._transformer: Transformer | None = None
        self._trial: Trial | None = None

    def all(self) -> dict[str, Callable[[], Awaitable[Passed]]]:
        """The checks by name, in the order they are made."""
        return {
            "files": self.files,
            "syntax": self.syntax,
            "imports": self.imports,
            "class": self.class_,
            "methods": self.methods,
            "transformer": self.transformer,
            "loads": self.loads,
            "predicts": self.predicts,
            "json": self.json,
        }

    async def files(self) -> Passed:
        verified = await asyncio.to_thread(verification.verify, self._settings)
        if not verified.files:
            raise NotAsked("The files came without a manifest to compare them with.")
        return Passed(f"{verified.files} files, {verified.size:,} bytes, are those that were registered.")

    async def syntax(self) -> Passed:
        code = (self._settings.script, self._settings.transformer)
        return Passed(syntax.check([each for each in code if each is not None]))

    async def imports(self) -> Passed:
        """A script that starts its server itself hands its models over here, or is refused, and goes on."""
        script, arguments = self._script, self._settings.arguments
        try:
            ran = await self._thread.call(lambda: loader.run(script, self._host, arguments=arguments))
        except Failure as failure:
            if not any(failure.code in codes for codes in REFUSED_LATER.values()):
                raise
            ran, self._refusal = None, failure
        if isinstance(ran, ModuleType):
            self._module = ran
            return Passed(f"{script.name} was imported.")
        self._models = ran
        return Passed(f"{script.name} ran, and started its server itself.")

    async def class_(self) -> Passed:
        script = self._script
        self._refuse_for("class")
        self._targets = await self._thread.call(self._find)
        if not self._targets:
            return Passed(f"{script.name} serves {self._names}, of classes from elsewhere.")
        module = self._module or sys.modules["__main__"]
        return Passed(" ".join(classes.described(each, module) for each in self._targets))

    async def methods(self) -> Passed:
        self._only_with_script()
        self._refuse_for("methods")
        flavor = self._found[0] if self._found else kserve
        names: list[str] = await self._thread.call(
            lambda: [name for each in self._targets for name in methods.check(flavor, each)]
        )
        if not names:
            return Passed("The methods come when the model is made; they are called by the last checks.")
        return Passed(f"{_listed(names)} can be called as the server does it.")

    async def transformer(self) -> Passed:
        """It has a thread of its own, as in a replica."""
        script = self._settings.transformer
        if script is None:
            raise NotAsked("The serving has no transformer.")
        thread = ModelThread(asyncio.get_running_loop())
        self._transformer = await thread.call(lambda: _transformer(script, self._host))
        self._transformer.thread = thread
        stages = (self._transformer.preprocess, self._transformer.postprocess)
        names = [stage.label for stage in stages if stage is not None]
        return Passed(f"{self._transformer.kind} was built; {_listed(names)} can be called.")

    async def loads(self) -> Passed:
        self._only_with_script()
        self._refuse_for("loads")
        found = self._found
        if self._models is None and found is not None:
            self._models = await self._thread.call(lambda: loader.build(found, self._script, self._host))
        for model in self._models or ():
            await _until_ready(model)
        if self._transformer is not None:
            self._models = transformers.before(self._models or [], self._transformer)
        return Passed(f"{self._names} was built, loaded and is ready.")

    async def predicts(self) -> Passed:
        path = self._settings.input_example
        if path is None or not self._models:
            raise NotAsked(
                "No input example is stored, so nothing was predicted; export the model with input_example=, or "
                "put a file input_example.json with one request among its files."
            )
        self._trial = Trial(path, self._hosted(self._models[0]))
        began = perf_counter()
        await self._trial.predict()
        milliseconds = 1000 * (perf_counter() - began)
        return Passed(f"The stored input example was predicted in {milliseconds:.1f} ms.")

    async def json(self) -> Passed:
        if self._trial is None:
            raise NotAsked("Without a stored input example there is no answer to look at.")
        written = await self._trial.write(self._thread)
        return Passed(written.what, written.shown)

    @property
    def _script(self) -> Path:
        self._only_with_script()
        return script_of(self._settings)

    def _only_with_script(self) -> None:
        if self._settings.script is None:
            raise NotAsked("This replica runs a transformer alone.")

    @property
    def _names(self) -> str:
        return _listed([model.key for model in self._models or ()]) or "nothing"

    def _find(self) -> list[Any]:
        """The classes and objects to be called. Raises Failure."""
        with loader.worded(self._script, self._host.files_dir, importing=True):
            if self._module is not None:
                self._found = loader.find(self._module, self._script, self._host)
                return methods.targets(*self._found)
            own = kserve.find(sys.modules["__main__"], self._host)
            return [] if own is None else methods.targets(kserve, own)

    def _refuse_for(self, name: str) -> None:
        if self._refusal is not None and self._refusal.code in REFUSED_LATER[name]:
            raise self._refusal

    def _hosted(self, model: Model) -> Hosted:
        return Hosted(
            model,
            thread=self._thread,
            loop=asyncio.get_running_loop(),
            metrics=self._metrics,
            batching=None,
            stuck_seconds=self._settings.stuck_seconds,
        )


def _transformer(script: Path, host: Host) -> Transformer:
    found = transformers.find(transformers.run(script, host), script)
    methods.check_transformer(found)
    return transformers.build(found, script, host)


async def _until_ready(model: Model) -> None:
    """A model that loads in the background has as long as pre-flight has; any other a few seconds. Raises Failure."""
    deadline = monotonic() + READY_SECONDS
    while trouble := model.trouble():
        if monotonic() > deadline and not trouble.endswith("is loading."):
            reason = (
                f"{trouble} Its load() must succeed, and set self.ready where that is the model's own affair."
            )
            raise Failure("NotReady", reason)
        await asyncio.sleep(POLL_SECONDS)


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join(filter(None, (", ".join(unique[:-1]), *unique[-1:])))
