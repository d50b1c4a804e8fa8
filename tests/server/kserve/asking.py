"""Building models for a hand-made host and asking them as the server does: decode, run where it belongs, encode."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from hopyard.server.bodies.tensors import Tensor, TensorRequest, TensorResponse
from hopyard.server.flavors import Exchange, Host, Model
from hopyard.server.flavors.kserve import describe
from hopyard.server.flavors.kserve.wire import Request
from hopyard.server.replies import Reply
from hopyard.server.runners import ModelThread

JSON = {"content-type": "application/json"}


def request(body: Any, headers: dict[str, str] | None = None) -> Request:
    """A request with a body of bytes, of text, or of a value's JSON."""
    body = body.encode() if isinstance(body, str) else body
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request({k.encode(): v.encode() for k, v in (JSON if headers is None else headers).items()}, sent)


def tensors(*inputs: Tensor, **settings: Any) -> TensorRequest:
    return TensorRequest("m", list(inputs), **{"request_id": "r-1", **settings})


class Asking:
    """An event loop in a thread of its own, with a model thread beside it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stages: list[tuple[str, str]] = []
        self.seconds: list[float] = []
        self.handed: Sequence[Model] = []
        self._running = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._running.start()
        self.thread = ModelThread(self.loop)
        self.host = Host(
            name="m",
            version="",
            files_dir=None,
            in_thread=self.thread.call,
            observe=self._observe,
            hand_over=self._hand_over,
        )

    def model(self, instance: Any, name: str = "m") -> Model:
        return describe.described(instance, name, self.host)

    def predict(self, instance: Any, body: Any, headers: dict[str, str] | None = None) -> Any:
        """The whole V1 answer of a model's predict."""
        return self.verb(self.model(instance), "predict", request(body, headers))

    def verb(self, model: Model, verb: str, asked: Request) -> Any:
        return self.exchange(model.verbs[verb], asked)

    def infer(self, instance: Any, asked: TensorRequest) -> TensorResponse:
        model = self.model(instance)
        assert model.tensors is not None
        return self.exchange(model.tensors, asked)  # type: ignore[no-any-return]

    def exchange(self, exchange: Exchange, asked: Any) -> Any:
        return self.wait(self._exchange(exchange, asked))

    def wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def run(self, function: Callable[[], Any]) -> Any:
        """On the event loop."""

        async def call() -> Any:
            return function()

        return self.wait(call())

    async def _exchange(self, exchange: Exchange, asked: Any) -> Any:
        payload = exchange.decode(asked)
        operation = exchange.operation
        if operation.is_async:
            value = await operation.run(payload)
        else:
            value = await self.thread.call(lambda: operation.run(payload))
        return exchange.encode(value, asked)

    def _observe(self, model: str, stage: str, seconds: float) -> None:
        self.stages.append((model, stage))
        self.seconds.append(seconds)

    def _hand_over(self, models: Sequence[Model]) -> None:
        self.handed = models

    def close(self) -> None:
        self.thread.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._running.join()
        self.loop.close()


def loaded(answer: Any) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.body if isinstance(answer, Reply) else answer)
