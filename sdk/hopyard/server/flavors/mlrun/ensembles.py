"""Routers that ask all of a function's models: their answers merged, or a vote among them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from hopyard.server.flavors.mlrun.events import Event
from hopyard.server.flavors.mlrun.problems import text_of
from hopyard.server.flavors.mlrun.recording import Recorder
from hopyard.server.flavors.mlrun.votes import are_classes, each_output, majority, mean

INFER = ("infer", "predict", "explain")
VOTES = (None, "classification", "regression")


class Child:
    """One model of a router; `run` asks it with an event, and waits for its turn."""

    def __init__(self, run: Callable[[Event], Any]) -> None:
        self.run = run


class ParallelRun:
    """Asks every model with the same body at the same time and merges what they answer.

    `routes` maps names to children, in the order they were added; results come in that order whichever model
    was quickest. A model that fails, fails the request. `executor_type` `array` asks one after the other.
    """

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        routes: Mapping[str, Child] | None = None,
        protocol: str | None = None,
        *,
        extend_event: bool = False,
        executor_type: str = "thread",
        **kwargs: Any,
    ) -> None:
        self.context = context
        self.name = name or type(self).__name__
        self.routes: Mapping[str, Child] = routes or {}
        self.protocol = protocol or "v2"
        self.extend_event = extend_event
        self.executor_type = executor_type
        self.ready = False
        self._params = kwargs
        self._pool: ThreadPoolExecutor | None = None

    def post_init(self, mode: str = "sync", **kwargs: Any) -> None:
        """Get ready to ask. Raises ValueError without models."""
        if not self.routes:
            raise ValueError(f"the router {self.name} has no models; add some with add_model")
        if self.executor_type != "array":
            self._pool = ThreadPoolExecutor(len(self.routes), thread_name_prefix=self.name)
        self.ready = True

    def get_param(self, key: str, default: Any = None) -> Any:
        """An argument of the router, else a parameter of the function."""
        return self._params[key] if key in self._params else self.context.get_param(key, default)

    def preprocess(self, event: Event) -> Event:
        """A hook before the models are asked."""
        return event

    def postprocess(self, event: Event) -> Event:
        """A hook after the answer is made."""
        return event

    def do_event(self, event: Event, *args: Any, **kwargs: Any) -> Event:
        """Answer an event with `answer`; or tell about the router itself, with GET."""
        event = self.preprocess(event)
        operation = event.path.strip("/") or ("" if event.method == "GET" else "infer")
        if operation in INFER:
            event.body = self.answer(event, operation)
        elif operation == "ready" and event.method == "GET":
            event.terminated = True
            event.body = self.context.Response(body=f"Model {self.name} is ready (event_id = {event.id})")
        elif operation == "":
            event.terminated = True
            event.body = self.get_metadata()
        else:
            raise ValueError(f"illegal model operation {operation}, method={event.method}")
        return self.postprocess(event)

    def get_metadata(self) -> dict[str, Any]:
        """What a GET of the router's own URL is answered with."""
        return {"name": self.name, "version": "", "inputs": [], "outputs": [], "models": list(self.routes)}

    def answer(self, event: Event, operation: str) -> Any:
        """Return the merged results. Raises RuntimeError for a model that failed."""
        results, failures = self.ask(event, operation)
        if failures:
            raise RuntimeError(f"{len(failures)} of {len(self.routes)} models failed: {_listed(failures)}")
        body = dict(event.body) if self.extend_event and isinstance(event.body, dict) else {}
        merged = self.merger(body, results)
        return body if merged is None else merged

    def merger(self, body: dict[str, Any], results: dict[str, Any]) -> Any:
        """Merge results by model into `body`; what is returned, if anything, is the answer instead."""
        for result in results.values():
            body.update(result)
        return body

    def ask(self, event: Event, operation: str) -> tuple[dict[str, Any], dict[str, Exception]]:
        """Return what each model answered, and how the others failed."""

        def one(child: Child) -> Any:
            try:
                answered = child.run(_copied(event, operation))
                return answered.body if isinstance(answered, Event) else answered
            except Exception as error:
                return _Failed(error)

        asking = self._pool.map if self._pool else map
        answers = dict(zip(self.routes, asking(one, self.routes.values()), strict=True))
        failures = {key: each.error for key, each in answers.items() if isinstance(each, _Failed)}
        return {key: each for key, each in answers.items() if key not in failures}, failures


class VotingEnsemble(ParallelRun):
    """Asks every model and votes: by weighted majority (`classification`), by weighted mean (`regression`), or as
    each request's predictions suggest.

    `weights` maps models to their weight, 0 where one is missing; they are normalised over the models that
    answered. Models that failed are named in the answer under `failed`; if all do, so does the request.
    """

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        routes: Mapping[str, Child] | None = None,
        protocol: str | None = None,
        *,
        vote_type: str | None = None,
        weights: Mapping[str, float] | None = None,
        format_response_with_col_name_flag: bool = False,
        prediction_col_name: str = "prediction",
        **kwargs: Any,
    ) -> None:
        super().__init__(context, name, routes, protocol, **kwargs)
        if vote_type not in VOTES:
            raise ValueError(f"vote_type is {vote_type!r}; it is classification, regression or None")
        self.vote_type = vote_type
        self.weights = weights
        self.format_response_with_col_name_flag = format_response_with_col_name_flag
        self.prediction_col_name = prediction_col_name
        self.version = "v1"
        self._model_logger: Recorder | None = None

    def post_init(self, mode: str = "sync", **kwargs: Any) -> None:
        """Get ready to ask. Raises ValueError for weights that cannot be normalised."""
        super().post_init(mode, **kwargs)
        self.shares(list(self.routes))

    def get_metadata(self) -> dict[str, Any]:
        """The models and their weights, as they were given."""
        return {**super().get_metadata(), "weights": self.weights}

    def answer(self, event: Event, operation: str) -> Any:
        """Return the envelope with the votes."""
        started = datetime.now(UTC)
        self.validate(event.body)
        results, failures = self.ask(event, operation)
        if not results:
            raise RuntimeError(f"all models failed: {_listed(failures)}")
        outputs = [self._outputs(result) for result in results.values()]
        if len({len(each) for each in outputs}) > 1:
            counts = ", ".join(f"{key}: {len(each)}" for key, each in zip(results, outputs, strict=True))
            raise ValueError(f"the models gave different numbers of predictions ({counts})")
        samples = [list(sample) for sample in zip(*outputs, strict=True)]
        votes: Any = self.logic(samples, self.shares(list(results)))
        if self.format_response_with_col_name_flag:
            votes = {self.prediction_col_name: votes}
        answer = {"id": event.id, "model_name": self.name, "outputs": votes, "model_version": self.version}
        if failures:
            answer["failed"] = {key: _said(error) for key, error in failures.items()}
        if self._model_logger is not None:
            self._model_logger.push(started, {"id": event.id, **event.body}, answer)
        return answer

    def validate(self, body: Any) -> None:
        """Raise if there is no list of inputs."""
        if not isinstance(body, dict) or "inputs" not in body:
            raise ValueError('Expected key "inputs" in request body')
        if not isinstance(body["inputs"], list):
            raise ValueError('Expected "inputs" to be a list')

    def shares(self, keys: Sequence[str]) -> list[float]:
        """Return the weights of these models, of sum 1. Raises ValueError if they weigh nothing together."""
        given = self.weights or dict.fromkeys(keys, 1.0)
        weights = [float(given.get(key, 0.0)) for key in keys]
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError(f"the weights of {', '.join(keys)} are {weights}; give positive numbers")
        return [weight / total for weight in weights]

    def logic(self, predictions: list[list[Any]], weights: list[float]) -> list[Any]:
        """Return one vote per sample; `predictions` are samples by models, `weights` of sum 1 in their order."""
        vote_type = self.vote_type or ("classification" if are_classes(predictions) else "regression")
        vote = majority if vote_type == "classification" else mean
        return [each_output(vote, sample, weights) for sample in predictions]

    def _outputs(self, result: Any) -> list[Any]:
        outputs = result["outputs"] if isinstance(result, dict) and "outputs" in result else result
        if self.format_response_with_col_name_flag and isinstance(outputs, dict):
            outputs = outputs[self.prediction_col_name]
        outputs = outputs.tolist() if hasattr(outputs, "tolist") else outputs
        return outputs if isinstance(outputs, list) else [outputs]


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error


def _copied(event: Event, operation: str) -> Event:
    """Each model's own event, with a body that is its own at the top."""
    copied = copy.copy(event)
    copied.path = operation
    copied.body = copy.copy(event.body)
    return copied


def _listed(failures: Mapping[str, Exception]) -> str:
    return "; ".join(f"{key}: {_said(error)}" for key, error in failures.items())


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {text_of(error)}"


ENSEMBLES: dict[str, type[ParallelRun]] = {"VotingEnsemble": VotingEnsemble, "ParallelRun": ParallelRun}
