"""Deployments: classes of which several processes each hold one, asked by whoever is free."""

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors import Exchange, Host, Model, Operation
from hopyard.server.flavors.kserve.keepers import LEAVE_SECONDS, Job, Keeper
from hopyard.server.flavors.kserve.resources import environment
from hopyard.server.flavors.kserve.wire import Description, Question, Spec

STYLE = "Model"


def deployment_of(value: Any) -> Any:
    """Return the deployment that a value is or holds, by the stand-in for Ray or by Ray itself; else None."""
    value = getattr(value, "deployment", None) or value
    return value if isinstance(getattr(value, "func_or_class", None), type) else None


def replicated(deployment: Any, name: str, host: Host) -> Model:
    """Start a deployment's replicas, wait until all are constructed, and return the model they are together.

    Raises Failure with the traceback of one that could not be constructed.
    """
    options = dict(getattr(deployment, "ray_actor_options", None) or {})
    return Replicas(_spec(deployment, name), _size(deployment), host, options).start()


class Replicas:
    """The processes of one deployment. `options` are Ray's: `num_cpus` and `num_gpus` of each of them."""

    def __init__(self, spec: Spec, size: int, host: Host, options: Mapping[str, Any]) -> None:
        self._spec = spec
        self._size = size
        self._host = host
        self._options = options
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._keepers: list[Keeper] = []

    def start(self) -> Model:
        """Start the processes and return their model. Raises Failure."""
        self.end()
        stopping = threading.Event()
        self._stopping, self._jobs = stopping, SimpleQueue()
        keepers = [
            Keeper(self._spec, self._jobs, environment(self._options, number), stopping)
            for number in range(self._size)
        ]
        for keeper in keepers:
            keeper.launch()
        try:
            described = [keeper.introduced() for keeper in keepers]
        except Failure:
            for keeper in keepers:
                keeper.end()
            raise
        self._keepers = keepers
        for keeper in keepers:
            threading.Thread(target=keeper.work, name=f"replica of {self._spec.name}", daemon=True).start()
        return self._model(described[0])

    def end(self) -> None:
        """Let every process finish its question and leave."""
        if self._keepers:
            self._stopping.set()
        for _ in self._keepers:
            self._jobs.put(None)
        for keeper in self._keepers:
            keeper.left.wait(LEAVE_SECONDS)
        self._keepers = []

    async def ask(self, question: Question) -> Any:
        """Return what a free replica answers. Raises Problem."""
        loop = asyncio.get_running_loop()
        job = Job(question, loop, loop.create_future())
        self._jobs.put(job)
        answer = await job.future
        for stage, seconds in answer.stages:
            self._host.observe(self._spec.name, stage, seconds)
        if answer.wrong is not None:
            raise answer.wrong.raised()
        return answer.value

    def _model(self, description: Description) -> Model:
        operation = Operation(self.ask, is_async=True)
        return Model(
            name=self._spec.name,
            style=STYLE,
            verbs={verb: Exchange(operation, _asked(verb), _as_it_is) for verb in description.verbs},
            tensors=Exchange(operation, Question.of_tensors, _as_it_is)
            if description.takes_tensors
            else None,
            metadata=lambda: description.metadata,
            trouble=self._trouble,
            load=self.start,
            unload=self.end,
        )

    def _trouble(self) -> str:
        if any(keeper.is_up for keeper in self._keepers):
            return ""
        reason = next((keeper.reason for keeper in self._keepers if keeper.reason), "They were stopped.")
        return f"No replica of {self._spec.name} is running. {reason}"


def _spec(deployment: Any, name: str) -> Spec:
    target = deployment.func_or_class
    module = target.__module__
    return Spec(
        name=name,
        module=module,
        attribute=target.__qualname__,
        script=sys.argv[0] if module == "__main__" else "",
        path=list(sys.path),
        argv=list(sys.argv),
        args=tuple(getattr(deployment, "init_args", None) or ()),
        kwargs=dict(getattr(deployment, "init_kwargs", None) or {}),
    )


def _size(deployment: Any) -> int:
    number = getattr(deployment, "num_replicas", 1)
    return max(1, number) if isinstance(number, int) else 1


def _asked(verb: str) -> Callable[[Any], Question]:
    return lambda request: Question.of_request(verb, request)


def _as_it_is(value: Any, asked: Any) -> Any:
    return value
