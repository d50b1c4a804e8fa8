"""`kserve.inference_client`: how a transformer asks its predictor over REST."""

from dataclasses import dataclass
from typing import Any

from .errors import InferenceError
from .protocol.infer_type import InferRequest, InferResponse

LENGTH_HEADER = "inference-header-content-length"


@dataclass
class RESTConfig:
    """Settings of an InferenceRESTClient: protocol `v1` or `v2`, seconds, and how often a call is tried again."""

    transport: Any = None
    protocol: Any = "v1"
    retries: int = 3
    http2: bool = False
    timeout: Any = 60
    cert: Any = None
    verify: Any = True
    auth: Any = None
    verbose: bool = False


class InferenceRESTClient:
    """Asks a server of V1 or V2. Needs httpx, imported on first use."""

    def __init__(self, config: RESTConfig | None = None) -> None:
        self._config = config or RESTConfig()
        self._protocol = str(getattr(self._config.protocol, "value", self._config.protocol)).lower()
        self._client: Any = None

    async def infer(
        self,
        base_url: str,
        data: Any,
        model_name: str | None = None,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
        is_graph_endpoint: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Return the predictor's answer: an InferResponse over V2, else its JSON. Raises InferenceError."""
        verb = "" if is_graph_endpoint else self._path(model_name, ":predict", "/infer")
        answer = await self._post(str(base_url).rstrip("/") + verb, data, headers, timeout)
        if response_headers is not None:
            response_headers.update(answer.headers)
        if self._protocol == "v1" or is_graph_endpoint:
            return answer.json()
        if length := answer.headers.get(LENGTH_HEADER):
            return InferResponse.from_bytes(answer.content, int(length))
        return InferResponse.from_rest(answer.json())

    async def explain(
        self,
        base_url: str,
        model_name: str,
        data: Any,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Return the explainer's JSON; V1 alone has explanations. Raises InferenceError."""
        url = f"{str(base_url).rstrip('/')}/v1/models/{model_name}:explain"
        return (await self._post(url, data, headers, timeout)).json()

    async def is_server_ready(self, base_url: str, **options: Any) -> bool:
        """Whether a V2 server says it is ready."""
        return bool(await self._told(base_url, "/v2/health/ready"))

    async def is_server_live(self, base_url: str, **options: Any) -> bool:
        """Whether a server says it is alive."""
        return bool(await self._told(base_url, "/" if self._protocol == "v1" else "/v2/health/live"))

    async def is_model_ready(self, base_url: str, model_name: str, **options: Any) -> bool:
        """Whether a server says that a model is ready."""
        return bool(await self._told(base_url, self._path(model_name, "", "/ready")))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def __aenter__(self) -> "InferenceRESTClient":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def _path(self, model_name: str | None, v1: str, v2: str) -> str:
        version, verb = ("v1", v1) if self._protocol == "v1" else ("v2", v2)
        return f"/{version}/models/{model_name}{verb}"

    async def _post(self, url: str, data: Any, headers: dict[str, str] | None, timeout: float | None) -> Any:
        body: Any = data
        sent = {"content-type": "application/json", **(headers or {})}
        if isinstance(data, InferRequest):
            body, length = data.to_rest()
            if length is not None:
                sent |= {"content-type": "application/octet-stream", LENGTH_HEADER: str(length)}
        content = {"content": body} if isinstance(body, bytes | str) else {"json": body}
        waited = {} if timeout is None else {"timeout": timeout}
        return _checked(await self._http().post(url, headers=sent, **content, **waited))

    async def _told(self, base_url: str, path: str) -> bool:
        answer = await self._http().get(str(base_url).rstrip("/") + path)
        if answer.status_code == 503:
            return False
        told = _checked(answer).json()
        return str(told.get("ready", told.get("live", told.get("status") == "alive"))).lower() == "true"

    def _http(self) -> Any:
        if self._client is None:
            import httpx

            config = self._config
            transport = config.transport or httpx.AsyncHTTPTransport(
                retries=config.retries, verify=config.verify, cert=config.cert, http2=config.http2
            )
            self._client = httpx.AsyncClient(transport=transport, timeout=config.timeout, auth=config.auth)
        return self._client


class InferenceGRPCClient:
    """Explains itself: predictors are asked over REST here."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.url = url

    async def infer(self, *args: Any, **options: Any) -> Any:
        """Say what to do instead."""
        raise NotImplementedError(
            f"The predictor at {self.url} cannot be asked over gRPC by this server's stand-in for kserve; "
            "use --predictor_protocol v2, or install kserve in the environment."
        )

    is_server_ready = is_server_live = is_model_ready = infer

    async def close(self) -> None:
        """Nothing is open."""


def _checked(answer: Any) -> Any:
    if answer.is_success:
        return answer
    try:
        said = answer.json()
        sentence = said.get("error") or said.get("detail") or answer.text
    except (ValueError, AttributeError):
        sentence = answer.text
    raise InferenceError(f"{sentence}, '{answer.status_code} {answer.reason_phrase}' for url '{answer.url}'")
