"""Bringing models up: the script is loaded in the models' thread, and its input example is predicted."""

import dataclasses
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hopyard.server import loader, shims
from hopyard.server.batcher import BatchLimits
from hopyard.server.config import Config
from hopyard.server.example import examples_of
from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Model, Operation
from hopyard.server.metrics import Metrics
from hopyard.server.runners import ModelThread

log = logging.getLogger(__name__)


class Loading:
    """The start of one server, as far as user code is concerned."""

    def __init__(self, settings: Config, thread: ModelThread, metrics: Metrics) -> None:
        self._settings = settings
        self._thread = thread
        self._metrics = metrics

    async def load(self) -> list[Model]:
        """Return the script's models. Raises Failure."""
        models: list[Model] = await self._thread.call(self._load)
        return models

    async def prove(self, models: Sequence[Model]) -> dict[str, BatchLimits]:
        """Predict the input example, and return how each model that may be batched is, by its key. Raises Failure."""
        try:
            return await self._prove(models)
        finally:
            # What is there now stays; no collection need ever look at it again, which can take 50 ms.
            gc.collect()
            gc.freeze()

    async def _prove(self, models: Sequence[Model]) -> dict[str, BatchLimits]:
        settings = self._settings
        limits = BatchLimits(rows=settings.max_batch_size, wait=settings.max_latency)
        batched = {model.key: limits for model in models if settings.batching == "on"}
        if settings.input_example is None or not models:
            return batched
        first = models[0]
        examples = examples_of(settings.input_example, first, self._run)
        await examples[0].predict()
        if settings.batching == "auto":
            doubts = {example.key: await example.refute() for example in examples}
            proven = frozenset(key for key, doubt in doubts.items() if not doubt)
            if proven:
                batched[first.key] = dataclasses.replace(limits, only=proven)
            for key, doubt in doubts.items():
                said = f"off: {doubt}" if doubt else "on: the input example proves that it may be"
                log.info("Batching of %s is %s", key, said)
        return batched

    async def _run(self, operation: Operation, payload: Any) -> Any:
        if operation.is_async:
            return await operation.run(payload)
        return await self._thread.call(lambda: operation.run(payload))

    def _load(self) -> list[Model]:
        return load_script(
            self._settings,
            in_thread=self._thread.call,
            observe=self._metrics.observe_stage,
            hand_over=self._thread.answer_and_go_on,
        )


def load_script(
    settings: Config,
    *,
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    observe: Callable[[str, str, float], None],
    hand_over: Callable[[Sequence[Model]], None],
) -> list[Model]:
    """Load the script in this thread. What is passed becomes the script's `Host`. Raises Failure."""
    shims.install()
    if settings.script is None:
        raise Failure("ConfigurationInvalid", "No script was given.")
    host = Host(
        name=settings.model_name,
        version=settings.model_version,
        files_dir=settings.files_dir,
        in_thread=in_thread,
        observe=observe,
        hand_over=hand_over,
        class_name=settings.class_name,
        options=settings.class_args or {},
        fetches_data_urls=settings.data_urls,
    )
    return loader.load(settings.script, host, arguments=settings.arguments)
