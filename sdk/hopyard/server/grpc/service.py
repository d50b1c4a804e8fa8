"""The methods of gRPC: `inference.GRPCInferenceService` and health, answered from the data plane."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from time import time
from typing import Any, Protocol

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.grpc.inference import Caller, Inference, Receiver
from hopyard.server.grpc.messages import CLASSES
from hopyard.server.hosted import Hosted
from hopyard.server.keys import Keys
from hopyard.server.replies import Problem

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
SERVING, NOT_SERVING = 1, 2
EXTENSIONS = ("model_repository", "binary_tensor_data")
# The numbers of Triton's enum DataType.
_TYPES = (
    *("INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES", "BF16"),
)
_TYPE_NUMBERS = {name: number for number, name in enumerate(_TYPES)}


class Call(Caller, Receiver, Protocol):
    """A call that waits for its answer."""

    def run(self, answer: Coroutine[Any, Any, Any]) -> None: ...


class Service:
    """What the methods are answered from. With `keys` a caller has to name itself."""

    def __init__(self, plane: DataPlane, books: Books, keys: Keys | None) -> None:
        self.plane = plane
        self.books = books
        self._keys = keys

    def identify(self, metadata: Mapping[bytes, bytes]) -> str | None:
        """Return the id of the caller's key, None where none is needed. Raises Problem 401."""
        if self._keys is None:
            return None
        key_id = self._keys.identify(metadata, time())
        if key_id is None:
            self.books.metrics.refused(401)
            sentence = "A valid API key is needed; send the metadata authorization: ApiKey <key>."
            raise Problem(401, sentence, "Unauthorized")
        return key_id


@dataclass(frozen=True, slots=True)
class Method:
    """`run` answers a call that sent one message; `is_open` methods need no key."""

    run: Callable[[Service, Call, bytes], None]
    is_open: bool = False
    is_streaming: bool = False


def _infer(service: Service, call: Call, message: bytes) -> None:
    Inference(call, call).start(message, service.plane, service.books)


def _simple(name: str, answer: Callable[[Service, Any], Coroutine[Any, Any, Any]]) -> Any:
    """A method whose answer does not depend on anything but its request."""
    read = CLASSES[f"{name}Request"].FromString

    def run(service: Service, call: Call, message: bytes) -> None:
        try:
            request = read(message)
        except DecodeError:
            raise Problem(400, f"The message is no {name}Request.", "BadBody") from None
        call.run(answer(service, request))

    return run


async def _server_live(service: Service, request: Any) -> Any:
    return CLASSES["ServerLiveResponse"](live=True)


async def _server_ready(service: Service, request: Any) -> Any:
    return CLASSES["ServerReadyResponse"](ready=(await service.plane.readiness()).ready)


async def _model_ready(service: Service, request: Any) -> Any:
    try:
        readiness = await service.plane.find(request.name, request.version).readiness()
    except Problem as problem:
        if problem.status != 503:
            raise
        return CLASSES["ModelReadyResponse"](ready=False)
    return CLASSES["ModelReadyResponse"](ready=readiness.ready)


async def _server_metadata(service: Service, request: Any) -> Any:
    return CLASSES["ServerMetadataResponse"](
        name="hopyard", version=version("hopyard"), extensions=EXTENSIONS
    )


async def _model_metadata(service: Service, request: Any) -> Any:
    told = service.plane.find(request.name, request.version).metadata()
    return CLASSES["ModelMetadataResponse"](
        name=told["name"],
        versions=told["versions"] or (),
        platform=told["platform"],
        inputs=[_tensor_metadata(each) for each in told["inputs"]],
        outputs=[_tensor_metadata(each) for each in told["outputs"]],
    )


async def _index(service: Service, request: Any) -> Any:
    index = [each for each in service.plane.index() if each["state"] == "READY" or not request.ready]
    return CLASSES["RepositoryIndexResponse"](models=[CLASSES["ModelIndex"](**each) for each in index])


async def _load(service: Service, request: Any) -> Any:
    name = request.model_name or request.name
    await service.plane.load(name)
    return CLASSES["RepositoryModelLoadResponse"](model_name=name, isLoaded=True)


async def _unload(service: Service, request: Any) -> Any:
    name = request.model_name or request.name
    await service.plane.unload(name)
    return CLASSES["RepositoryModelUnloadResponse"](model_name=name, isUnloaded=True)


async def _model_config(service: Service, request: Any) -> Any:
    told = service.plane.find(request.name, request.version).metadata()
    config = CLASSES["ModelConfig"](
        name=told["name"],
        platform=told["platform"],
        input=[_config_tensor("ModelInput", each) for each in told["inputs"]],
        output=[_config_tensor("ModelOutput", each) for each in told["outputs"]],
    )
    return CLASSES["ModelConfigResponse"](config=config)


async def _model_statistics(service: Service, request: Any) -> Any:
    plane = service.plane
    hosted = [plane.find(request.name, request.version)] if request.name else list(plane.hosted.values())
    return CLASSES["ModelStatisticsResponse"](model_stats=[_statistics(each) for each in hosted])


async def _health(service: Service, request: Any) -> Any:
    if request.service not in ("", SERVICE, HEALTH):
        raise Problem(404, f"There is no service {request.service[:200]} here; {SERVICE} is.")
    ready = (await service.plane.readiness()).ready
    return CLASSES["HealthCheckResponse"](status=SERVING if ready else NOT_SERVING)


def _tensor_metadata(told: Mapping[str, Any]) -> Any:
    return CLASSES["TensorMetadata"](name=told["name"], datatype=told["datatype"], shape=told["shape"])


def _config_tensor(kind: str, told: Mapping[str, Any]) -> Any:
    number = _TYPE_NUMBERS.get(told["datatype"], 0)
    return CLASSES[kind](name=told["name"], data_type=number, dims=told["shape"])


def _statistics(hosted: Hosted) -> Any:
    """Counts of the inferences made; times are kept of all calls together, so they are not told."""
    statuses = hosted.tensors.counters.statuses if hosted.tensors else {}
    good = statuses.get(200, 0)
    stats = CLASSES["InferStatistics"](
        success=CLASSES["StatisticDuration"](count=good),
        fail=CLASSES["StatisticDuration"](count=sum(statuses.values()) - good),
    )
    return CLASSES["ModelStatistics"](
        name=hosted.name,
        version=hosted.version,
        inference_count=good,
        execution_count=good,
        inference_stats=stats,
    )


def _path(service: str, name: str) -> bytes:
    return f"/{service}/{name}".encode()


METHODS: dict[bytes, Method] = {
    _path(SERVICE, "ModelInfer"): Method(_infer),
    _path(SERVICE, "ModelStreamInfer"): Method(_infer, is_streaming=True),
    _path(SERVICE, "ServerLive"): Method(_simple("ServerLive", _server_live), is_open=True),
    _path(SERVICE, "ServerReady"): Method(_simple("ServerReady", _server_ready), is_open=True),
    _path(SERVICE, "ModelReady"): Method(_simple("ModelReady", _model_ready)),
    _path(SERVICE, "ServerMetadata"): Method(_simple("ServerMetadata", _server_metadata)),
    _path(SERVICE, "ModelMetadata"): Method(_simple("ModelMetadata", _model_metadata)),
    _path(SERVICE, "RepositoryIndex"): Method(_simple("RepositoryIndex", _index)),
    _path(SERVICE, "RepositoryModelLoad"): Method(_simple("RepositoryModelLoad", _load)),
    _path(SERVICE, "RepositoryModelUnload"): Method(_simple("RepositoryModelUnload", _unload)),
    _path(SERVICE, "ModelConfig"): Method(_simple("ModelConfig", _model_config)),
    _path(SERVICE, "ModelStatistics"): Method(_simple("ModelStatistics", _model_statistics)),
    _path(HEALTH, "Check"): Method(_simple("HealthCheck", _health), is_open=True),
}
