"""Bringing models up: the script is loaded in the models' thread, and its input example is predicted."""

import gc
import logging
from collections.abc import Sequence
from typing import Any

from hopyard.server import loader, shims
from hopyard.server.batcher import BatchLimits
from hopyard.server.config import Config
from hopyard.server.example import Example
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
        """Predict the input example, and return how each model that may be batched is. Raises Failure."""
        try:
            return await self._prove(models)
        finally:
            # What is there now stays; no collection need ever look at it again, which can take 50 ms.
            gc.collect()
            gc.freeze()

    async def _prove(self, models: Sequence[Model]) -> dict[str, BatchLimits]:
        limits = BatchLimits(rows=self._settings.max_batch_size, wait=self._settings.max_latency)
        batched = {model.name: limits for model in models if self._settings.batching == "on"}
        path = self._settings.input_example
        if path is None or not models:
            return batched
        first = models[0]
        example = Example(path, first, self._run)
        await example.predict()
        if self._settings.batching == "auto":
            doubt = await example.refute()
            if not doubt:
                batched[first.name] = limits
            log.info(
                "Batching is %s", f"off: {doubt}" if doubt else "on: the input example proves that it may be"
            )
        return batched

    async def _run(self, operation: Operation, payload: Any) -> Any:
        if operation.is_async:
            return await operation.run(payload)
        return await self._thread.call(lambda: operation.run(payload))

    def _load(self) -> list[Model]:
        settings = self._settings
        shims.install()
        if settings.script is None:
            raise Failure("ConfigurationInvalid", "No script was given.")
        host = Host(
            name=settings.model_name,
            version=settings.model_version,
            files_dir=settings.files_dir,
            in_thread=self._thread.call,
            observe=self._metrics.observe_stage,
            hand_over=self._thread.answer_and_go_on,
            class_name=settings.class_name,
            options=settings.class_args or {},
            fetches_data_urls=settings.data_urls,
        )
        return loader.load(settings.script, host, arguments=settings.arguments)
