"""`kserve.model`: the classes that users derive from."""

import inspect
from enum import Enum
from typing import Any

from . import command_line
from .constants.constants import PredictorProtocol
from .errors import InvalidInput
from .inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig
from .predictor_config import PredictorConfig
from .protocol.infer_type import InferRequest, InferResponse

FORWARDED = ("x-request-id", "x-b3-traceid", "authorization")


class InferenceVerb(Enum):
    """What a model is asked to do."""

    EXPLAIN = 1
    PREDICT = 2


class BaseKServeModel:
    """What the server expects of every model: a name, and whether it is ready."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = False
        self.engine = False

    async def healthy(self) -> bool:
        """Whether the model can be asked now."""
        return self.ready

    def load(self) -> Any:
        """Load the model's files. Overridden by models that have some."""
        self.ready = True
        return self.ready

    def start(self) -> Any:
        """Called when the server takes the model."""
        self.ready = True

    async def start_engine(self) -> Any:
        """Called for models whose `engine` is true, once the server runs."""
        self.ready = True

    def stop(self) -> Any:
        """Called when the model is unloaded and when the server stops."""
        self.ready = False

    def stop_engine(self) -> Any:
        """Called for models whose `engine` is true, when they are unloaded."""
        self.ready = False


class InferenceModel(BaseKServeModel):
    """A model that describes its tensors."""

    def get_input_types(self) -> Any:
        """Return the inputs, each as a dict of name, datatype and shape."""
        return []

    def get_output_types(self) -> Any:
        """Return the outputs, each as a dict of name, datatype and shape."""
        return []


class Model(InferenceModel):
    """Overridden where it differs from a transformer: preprocess, predict or explain, postprocess, load.

    With `return_response_headers` predict and postprocess get a third argument, a dict whose items become
    headers of the HTTP answer. `predictor_config` says where the predictor of a transformer is; so do the
    attributes `predictor_host`, `protocol`, `use_ssl` and `timeout`, and the command line.
    """

    predictor_host: str | None = None
    protocol: str = PredictorProtocol.REST_V1.value
    use_ssl: bool = False
    timeout: int = 600
    _predictor_config: PredictorConfig | None = None
    _client: Any = None

    def __init__(
        self,
        name: str,
        *settings: Any,
        return_response_headers: bool = False,
        predictor_config: PredictorConfig | None = None,
    ) -> None:
        super().__init__(name)
        for setting in settings:  # versions differ in what the second one is
            if isinstance(setting, PredictorConfig):
                predictor_config = setting
            elif setting is not None:
                return_response_headers = bool(setting)
        self.explainer_host: str | None = None
        self.enable_latency_logging = False
        self.required_response_headers = return_response_headers
        if predictor_config is not None:
            self._predictor_config = predictor_config

    @property
    def predictor_config(self) -> PredictorConfig | None:
        """Where the predictor is: what was set here, else what the command line says; None if neither."""
        if self._predictor_config is not None:
            return self._predictor_config
        given = command_line.args()
        host = self.predictor_host or given.predictor_host
        if not host:
            return None
        own = vars(self)
        return PredictorConfig(
            host,
            str(own.get("protocol", given.predictor_protocol)),
            bool(own.get("use_ssl", given.predictor_use_ssl)),
            int(own.get("timeout", given.predictor_request_timeout_seconds)),
            given.predictor_request_retries,
            given.enable_predictor_health_check,
        )

    @predictor_config.setter
    def predictor_config(self, config: PredictorConfig | None) -> None:
        self._predictor_config = config

    async def __call__(
        self, body: Any, headers: dict[str, str] | None = None, verb: InferenceVerb = InferenceVerb.PREDICT
    ) -> tuple[Any, dict[str, str]]:
        """Run the whole pipeline, as scripts do in their own tests; returns the value and response headers."""
        response_headers: dict[str, str] = {}
        more = (response_headers,) if self.required_response_headers else ()
        payload = self.validate(await _settled(self.preprocess(body, headers)))
        if verb == InferenceVerb.EXPLAIN:
            value = await _settled(self.explain(payload, headers))
        else:
            value = await _settled(self.predict(payload, headers, *more))
        return await _settled(self.postprocess(value, headers, *more)), response_headers

    def validate(self, payload: Any) -> Any:
        """Return the payload if it can be predicted. Raises InvalidInput."""
        config = self.predictor_config
        key = "inputs" if (config.protocol if config else self.protocol) == "v2" else "instances"
        if isinstance(payload, dict) and not isinstance(payload.get(key, []), list):
            raise InvalidInput(f'Expected "{key}" to be a list')
        return payload

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Return what predict is called with."""
        return payload

    async def postprocess(
        self,
        result: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """Return what the caller gets."""
        return result

    async def predict(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """Ask the predictor named by `--predictor_host`. Raises NotImplementedError without one."""
        config = self.predictor_config
        if config is None or not config.predictor_host:
            raise NotImplementedError("Could not find predictor_host.")
        if config.protocol == PredictorProtocol.GRPC_V2.value:
            return await InferenceGRPCClient(config.predictor_host).infer(payload, headers=headers)
        return await self._rest(config).infer(
            config.predictor_base_url,
            payload,
            model_name=self.name,
            headers=_forwarded(headers),
            response_headers=response_headers,
        )

    async def explain(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Ask the explainer at `explainer_host`. Raises NotImplementedError without one."""
        if self.explainer_host is None:
            raise NotImplementedError("Could not find explainer_host.")
        client = self._rest(self.predictor_config)
        return await client.explain(
            f"http://{self.explainer_host}", model_name=self.name, data=payload, headers=_forwarded(headers)
        )

    def _rest(self, config: PredictorConfig | None) -> InferenceRESTClient:
        if self._client is None:
            settings = config or PredictorConfig(None)
            self._client = InferenceRESTClient(
                RESTConfig(protocol=settings.protocol, timeout=settings.timeout, retries=settings.retries)
            )
        return self._client  # type: ignore[no-any-return]


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _forwarded(headers: dict[str, str] | None) -> dict[str, str]:
    return {name: headers[name] for name in FORWARDED if headers and name in headers}


__all__ = [
    "BaseKServeModel",
    "InferRequest",
    "InferResponse",
    "InferenceModel",
    "InferenceVerb",
    "Model",
    "PredictorConfig",
    "PredictorProtocol",
]
