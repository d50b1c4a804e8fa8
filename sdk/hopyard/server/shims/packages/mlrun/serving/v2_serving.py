"""`V2ModelServer`, the class that model servers derive from."""

import threading
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from hopyard.server.flavors.mlrun.context import Context
from hopyard.server.flavors.mlrun.events import now
from hopyard.server.flavors.mlrun.problems import NotReady
from hopyard.server.flavors.mlrun.recording import Recorder

from ..artifacts import ModelArtifact, get_model
from ..datastore import DataItem
from .paths import stored, value_at
from .questions import id_of, in_order, operation_of

INFER = ("infer", "predict", "infer_dict", "predict_dict")
STREAM_POLL_SECONDS = 5.0
STREAM_POLLS = 50


class V2ModelServer:
    """Derive from this and write `load` and `predict`.

    `predict(request)` gets the request's body, whose `inputs` are a list of rows, and returns the outputs.
    Requests pass `preprocess`, `validate`, `predict` or `explain`, and `postprocess`. A method `op_xx(event)`
    answers `/v2/models/<model>/xx`. Arguments of the constructor that it does not know are parameters, to be
    read with `get_param`.
    """

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        model_path: str | None = None,
        model: Any = None,
        protocol: str | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        shard_by_endpoint: bool | None = None,
        **kwargs: Any,
    ) -> None:
        own_name, _, version = (name or "").partition(":")
        self.name = own_name if name else None
        self.version = version
        self.context = Context() if context is None else context
        self.ready = False
        self.error: Any = ""
        self.protocol = protocol or "v2"
        self.model_path = model_path
        self.model_spec: ModelArtifact | None = None
        self.model: Any = None
        self.metrics: dict[str, Any] = {}
        self.labels: dict[str, Any] = {}
        self.model_endpoint_uid: str | None = None
        self.shard_by_endpoint = shard_by_endpoint
        self._input_path = input_path
        self._result_path = result_path
        self._params = kwargs
        self._kwargs = kwargs
        stream = getattr(self.context, "stream", None)
        self._model_logger = Recorder(self, stream) if getattr(stream, "enabled", False) else None
        if model:
            self.model = model
            self.ready = True

    # What users override

    def load(self) -> None:
        """Load the model into memory. Raises ValueError without a model."""
        if not self.ready and not self.model:
            raise ValueError("please specify a load method or a model object")

    def preprocess(self, request: Any, operation: str) -> Any:
        """Return the request that is validated and predicted."""
        return request

    def validate(self, request: Any, operation: str) -> Any:
        """Return the request if it can be predicted, and raise otherwise."""
        if self.protocol != "v2":
            return request
        if request is None:
            raise TypeError(
                "argument of type 'NoneType' is not iterable; send a body such as {\"inputs\": [...]}"
            )
        if "inputs" not in request:
            raise Exception('Expected key "inputs" in request body')
        if not isinstance(request["inputs"], list):
            raise Exception('Expected "inputs" to be a list')
        return request

    def predict(self, request: Any) -> Any:
        """Return the outputs for a request."""
        raise NotImplementedError

    def explain(self, request: Any) -> Any:
        """Return explanations for a request."""
        raise NotImplementedError

    def postprocess(self, response: Any) -> Any:
        """Return what the caller gets."""
        return response

    def logged_results(self, request: Any, response: Any, op: str) -> tuple[Any, Any]:
        """Return the inputs and outputs to record instead of the request's; both None for those."""
        return None, None

    # What users call

    def get_param(self, key: str, default: Any = None) -> Any:
        """Return a parameter of the model, or of its function."""
        return self._params[key] if key in self._params else self.context.get_param(key, default=default)

    def set_metric(self, name: str, value: Any) -> None:
        """Set a metric that is recorded with requests from now on."""
        self.metrics[name] = value

    def get_model(self, suffix: str = "") -> tuple[str, dict[str, DataItem]]:
        """Return the model's file and the data items beside it; sets `model_spec` and takes its parameters."""
        model_file, self.model_spec, extra_data = get_model(self.model_path, suffix)
        if self.model_spec:
            self._params.update(self.model_spec.parameters)
        return model_file, extra_data

    # What the host calls

    def post_init(self, mode: str = "sync", **kwargs: Any) -> None:
        """Load now; or in the background, with `async`. Raises RuntimeError, and `error` is the cause."""
        if self.ready:
            return
        if mode == "async":
            threading.Thread(target=self._load_quietly, name=f"load {self.name}", daemon=True).start()
        else:
            self._load()

    def do_event(self, event: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer one event: its body becomes the answer."""
        started = datetime.now(UTC)
        original = event.body
        body = value_at(self._input_path, original)
        op, event_id = operation_of(event, body), id_of(event, body)
        if op in INFER or op == "explain":
            answer = self._ask(event, body, op, event_id, started)
        elif op == "ready" and event.method == "GET":
            event.terminated = True
            event.body = self._readiness(event)
            return event
        elif op == "" and event.method == "GET":
            event.terminated = True
            answer = self._describe()
        elif hasattr(self, f"op_{op}"):
            answer = getattr(self, f"op_{op}")(event)
            if answer is event:
                answer = event.body
        else:
            raise ValueError(f"illegal model operation {op}, method={event.method}")
        event.body = stored(self._result_path, original, answer)
        return event

    def to_dict(self) -> dict[str, Any]:
        """This model as a step of a serving spec."""
        kind = type(self)
        known = {"protocol": self.protocol, "model_path": self.model_path}
        args = {key: value for key, value in known.items() if value is not None}
        return {
            "class_name": f"{kind.__module__}.{kind.__qualname__}",
            "name": self.name,
            "class_args": {**args, **self._kwargs},
        }

    def _load(self) -> None:
        try:
            self.load()
        except Exception as error:
            self.error = error
            self.context.logger.error(traceback.format_exc())
            raise RuntimeError(f"failed to load model {self.name}") from error
        self.ready = True
        self.context.logger.info(f"model {self.name} was loaded")

    def _load_quietly(self) -> None:
        try:
            self._load()
        except RuntimeError:
            return

    def _ask(self, event: Any, body: Any, op: str, event_id: Any, started: datetime) -> Any:
        self._wait_until_ready(event)
        if op.endswith("_dict"):
            body = in_order(body, self.model_spec.inputs.keys() if self.model_spec else [])
        request = self.validate(self.preprocess(body, op), op)
        when = now() if op != "explain" else ""
        try:
            outputs = self.explain(request) if op == "explain" else self.predict(request)
        except Exception as error:
            if isinstance(request, dict):
                request["id"] = event_id
            if self._model_logger:
                self._model_logger.push(started, request, op=op, error=error)
            raise
        response: Any = {"id": event_id, "model_name": self.name, "outputs": outputs}
        if when:
            response["timestamp"] = when
        if self.version:
            response["model_version"] = self.version
        if self.model_endpoint_uid:
            response["model_endpoint_uid"] = self.model_endpoint_uid
        response = self.postprocess(response)
        if self._model_logger:
            self._model_logger.record(started, request, response, op)
        return response

    def _wait_until_ready(self, event: Any) -> None:
        """HTTP callers are told at once; streams wait for minutes, as nobody would send their message again."""
        if self.ready:
            return
        kind = getattr(getattr(event, "trigger", None), "kind", "")
        if kind in ("http", "", None):
            raise NotReady(f"model {self.name} is not ready yet{self._cause()}")
        for _ in range(STREAM_POLLS):
            time.sleep(STREAM_POLL_SECONDS)
            if self.ready:
                return
        raise NotReady(f"model {self.name} is not ready{self._cause()}")

    def _cause(self) -> str:
        return f", it failed to load: {type(self.error).__name__}: {self.error}" if self.error else ""

    def _readiness(self, event: Any) -> Any:
        if self.ready:
            return self.context.Response(body=f"Model {self.name} is ready (event_id = {event.id})")
        return self.context.Response(body=f"model not ready{self._cause()}", status_code=408)

    def _describe(self) -> dict[str, Any]:
        spec = self.model_spec
        return {
            "name": self.name,
            "version": self.version,
            "inputs": spec.inputs.to_dict() if spec else [],
            "outputs": spec.outputs.to_dict() if spec else [],
        }
