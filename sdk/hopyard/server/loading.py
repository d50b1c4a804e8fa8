"""Bringing models up: the script is loaded in the models' thread, and its input example is predicted."""

import asyncio
import dataclasses
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from hopyard.server import loader, shims
from hopyard.server.batcher import BatchLimits
from hopyard.server.config import Config
from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Model, Operation
from hopyard.server.inference_log.mlrun import SUBJECT, Messages
from hopyard.server.metrics import Metrics
from hopyard.server.runners import ModelThread
from hopyard.server.transformers import loading as transformers
from hopyard.server.transformers import proof, remote
from hopyard.server.transformers.transformer import Transformer

log = logging.getLogger(__name__)


class Loading:
    """The start of one server, as far as user code is concerned."""

    def __init__(self, settings: Config, thread: ModelThread, metrics: Metrics) -> None:
        self._settings = settings
        self._thread = thread
        self._metrics = metrics

    async def load(self) -> list[Model]:
        """Return the script's models, or the one that other processes have, with the transformer before them.
        Raises Failure.
        """
        settings, thread = self._settings, self._thread
        if settings.script is None:
            models: list[Model] = [remote.model(settings)]
        else:
            models = await thread.call(self._load)
        if settings.transformer is None:
            return models
        if settings.script is not None:  # what waits in one must not keep the other from its work
            thread = ModelThread(asyncio.get_running_loop())
        transformer = await thread.call(lambda: load_transformer(settings))
        transformer.thread = thread
        return transformers.before(models, transformer)

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
        examples = await proof.examples_of(settings.input_example, first, self._run)
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
    if settings.transformer is not None:
        observe = transformers.spent(observe)
    host = host_of(settings, in_thread=in_thread, observe=observe, hand_over=hand_over)
    return loader.load(script_of(settings), host, arguments=settings.arguments)


def load_transformer(settings: Config) -> Transformer:
    """Load the transformer in this thread. Raises Failure."""
    if settings.transformer is None:
        raise Failure("ConfigurationInvalid", "No transformer was given.")
    host = host_of(settings, in_thread=_nowhere, observe=_unobserved, hand_over=_unobserved)
    return transformers.load(settings.transformer, host)


async def _nowhere(call: Callable[[], Any]) -> Any:
    return call()


def _unobserved(*seen: Any) -> None:
    """For code that is observed from outside."""


def host_of(
    settings: Config,
    *,
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    observe: Callable[[str, str, float], None],
    hand_over: Callable[[Sequence[Model]], None],
) -> Host:
    """Return what a script may know and use of this server; stand-ins for absent packages are there from now on."""
    shims.install()
    return Host(
        name=settings.model_name,
        version=settings.model_version,
        files_dir=settings.files_dir,
        in_thread=in_thread,
        observe=observe,
        hand_over=hand_over,
        class_name=settings.class_name,
        options=settings.class_args or {},
        fetches_data_urls=settings.data_urls,
        messages=_messages(settings),
    )


def _messages(settings: Config) -> Messages | None:
    """The topic as a stream of MLRun's records, if that is what it takes."""
    if settings.topic_subject != SUBJECT or not settings.topic or settings.inference_logging == "NONE":
        return None
    return Messages(
        host=settings.replica,
        function_uri=f"{settings.project}/{settings.model_name}",
        mode=settings.inference_logging,
        percent=settings.sampling_percent,
    )


def script_of(settings: Config) -> Path:
    """Raises Failure where there is none."""
    if settings.script is None:
        raise Failure("ConfigurationInvalid", "No script was given.")
    return settings.script
