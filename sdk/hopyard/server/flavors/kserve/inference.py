"""V2: tensor requests to the InferRequest that handlers get, of the installed kserve or of the stand-in."""

import importlib
from collections.abc import Callable
from typing import Any

from hopyard.server.bodies.tensors import Tensor, TensorRequest, TensorResponse
from hopyard.server.flavors.kserve import answers
from hopyard.server.flavors.kserve.pipeline import Asked, Loop, Pipeline


class Inference:
    """Makes the requests of one process; which package they are of is looked up once."""

    def __init__(self) -> None:
        types = importlib.import_module("kserve.protocol.infer_type")
        self._types = types
        self.request: Callable[[TensorRequest], Any] = getattr(types.InferRequest, "of", self._request)

    def _request(self, asked: TensorRequest) -> Any:
        """Call the published constructors."""
        types, grpc = self._types, asked.from_grpc
        inputs = [self._input(each, from_grpc=grpc) for each in asked.inputs]
        requested = getattr(types, "RequestedOutput", None)
        outputs = (
            [requested(e.name, e.parameters) for e in asked.outputs] if asked.outputs and requested else None
        )
        more = {"request_outputs": outputs} if outputs else {}
        return types.InferRequest(
            asked.model_name,
            inputs,
            request_id=asked.id if grpc else asked.id or None,
            raw_inputs=[bytes(each.raw or b"") for each in asked.inputs] if grpc and asked.is_raw else None,
            from_grpc=grpc,
            parameters=asked.parameters or None,
            **more,
        )

    def _input(self, tensor: Tensor, *, from_grpc: bool) -> Any:
        """Over REST raw values are a list, but for the datatype that has no other form."""
        data: Any = tensor.data
        only_raw = tensor.raw is not None and (from_grpc or tensor.datatype == "FP16")
        if only_raw:
            data = [] if from_grpc else None
        elif tensor.data is None:
            data = listed(tensor)
        made = self._types.InferInput(
            tensor.name, list(tensor.shape), tensor.datatype, data, tensor.parameters
        )
        if only_raw:
            made._raw_data = bytes(tensor.raw or b"")
        return made


def exchange_parts(
    line: Pipeline, inference: Inference, loop: Loop
) -> tuple[Callable[[TensorRequest], Asked], Callable[[Any, TensorRequest], TensorResponse]]:
    """Return decode and encode of a pipeline that is asked with tensors."""

    def decode(asked: TensorRequest) -> Asked:
        loop.notice()
        answered: dict[str, str] = {}
        asked.notes = answered
        headers = dict(asked.headers) if line.reads_headers else {}
        return Asked(inference.request(asked), headers, answered)

    def encode(value: Any, asked: TensorRequest) -> TensorResponse:
        response = answers.response_of(value, asked)
        if asked.notes:
            own = ("content-length", "content-type")
            response.headers = {k: str(v) for k, v in asked.notes.items() if k.lower() not in own}
        return response

    return decode, encode


def listed(tensor: Tensor) -> list[Any]:
    """Return values that are no list as the flat list that handlers expect; BYTES that are text as str."""
    values = tensor.as_list()
    if tensor.datatype != "BYTES":
        return values
    try:
        return [each.decode() for each in values]
    except UnicodeDecodeError:
        return values
