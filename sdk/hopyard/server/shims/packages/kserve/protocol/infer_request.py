"""The request that handlers get over the Open Inference Protocol."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hopyard.server.bodies.tensors import TensorRequest

from . import conversions
from .tensor import NamedTensor

if TYPE_CHECKING:
    import pandas as pd


class InferInput(NamedTensor):
    """One input of a request."""


class RequestedOutput:
    """An output that the caller asked for by name."""

    def __init__(self, name: str, parameters: dict[str, Any] | None = None) -> None:
        self.name = name
        self.parameters = parameters if parameters is not None else {}

    @property
    def binary_data(self) -> bool | None:
        """Whether the caller wants it raw; None where nothing was said."""
        return conversions.plain(self.parameters.get("binary_data"))  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestedOutput) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RequestedOutput({self.name!r}, {self.parameters!r})"


class InferRequest:
    """What a handler is asked with. `id` is None over REST and empty over gRPC where the caller gave none."""

    def __init__(
        self,
        model_name: str,
        infer_inputs: Sequence[InferInput],
        request_id: str | None = None,
        raw_inputs: Sequence[bytes] | None = None,
        from_grpc: bool | None = False,
        parameters: Any = None,
        request_outputs: list[RequestedOutput] | None = None,
        model_version: str | None = None,
    ) -> None:
        self.id = request_id
        self.model_name = model_name
        self.model_version = model_version
        self.inputs: Any = infer_inputs
        self.parameters = parameters
        self.from_grpc = from_grpc  # type: ignore[method-assign, assignment]
        self.request_outputs = request_outputs
        self._has_raw = bool(raw_inputs)
        conversions.give_raw(infer_inputs, raw_inputs)

    @classmethod
    def of(cls, asked: TensorRequest) -> "InferRequest":
        """Make one of what a carrier brought."""
        grpc = asked.from_grpc
        made = cls.__new__(cls)
        made.id = asked.id if grpc else asked.id or None
        made.model_name, made.model_version = asked.model_name, asked.model_version or None
        made.inputs = [InferInput.of(each, from_grpc=grpc) for each in asked.inputs]
        made.parameters = asked.parameters if grpc else asked.parameters or None
        made.from_grpc = grpc  # type: ignore[method-assign, assignment]
        wanted = [RequestedOutput(each.name, each.parameters) for each in asked.outputs or ()]
        made.request_outputs = wanted or None
        made._has_raw = asked.is_raw
        return made

    @property
    def use_binary_outputs(self) -> bool:
        """Whether the caller wants the outputs raw."""
        if vars(self)["from_grpc"]:
            return self._has_raw
        return bool((self.parameters or {}).get("binary_data_output"))

    def get_input_by_name(self, name: str) -> InferInput | None:
        """Return the first input of that name, or None."""
        return next((each for each in self.inputs if each.name == name), None)

    def as_dataframe(self) -> "pd.DataFrame":
        """Return a DataFrame with one column for each input; BYTES become str."""
        import pandas

        return pandas.DataFrame({each.name: conversions.column(each) for each in self.inputs})

    @classmethod
    def from_rest(cls, model_name: str, request: dict[str, Any]) -> "InferRequest":
        """Read the JSON object of a V2 request. Raises InvalidInput."""
        return cls(model_name, **conversions.request_parts(request, InferInput, RequestedOutput))

    @classmethod
    def from_bytes(cls, req_bytes: bytes, json_length: int, model_name: str) -> "InferRequest":
        """Read a body of JSON with raw tensors behind it. Raises InvalidInput."""
        document = conversions.joined(req_bytes, json_length, "inputs")
        made = cls.from_rest(model_name, document)
        for each in made.inputs:
            each._is_listed = each._raw_data is not None
        return made

    @classmethod
    def from_grpc(cls, request: Any) -> "InferRequest":
        """Read a ModelInferRequest message."""
        inputs, raw = conversions.tensors_of_message(request.inputs, request.raw_input_contents, InferInput)
        return cls(
            request.model_name,
            inputs,
            request_id=request.id,
            raw_inputs=raw,
            from_grpc=True,
            parameters=request.parameters,
            request_outputs=[RequestedOutput(e.name, dict(e.parameters)) for e in request.outputs] or None,
            model_version=request.model_version,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the request as the JSON object of V2."""
        document: dict[str, Any] = {"id": self.id, "model_name": self.model_name}
        document["inputs"] = [each.to_dict() for each in self.inputs]
        return document | ({"parameters": self.parameters} if self.parameters else {})

    def to_rest(self) -> tuple[dict[str, Any] | bytes, int | None]:
        """Return a JSON object and None, or bytes and the length of the JSON before the raw tensors."""
        asked = [{"name": e.name, "parameters": e.parameters} for e in self.request_outputs or []]
        head = {"id": self.id, "model_name": self.model_name}
        more = {"parameters": conversions.plain_map(self.parameters), "outputs": asked}
        return conversions.to_rest(head, "inputs", self.inputs, more)

    def to_grpc(self) -> Any:
        """Return a ModelInferRequest message. Raises InvalidInput for a parameter that is a float."""
        return conversions.request_message(self)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, InferRequest) and self.to_dict() == other.to_dict()
        return same and self.model_version == other.model_version  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"InferRequest(model_name={self.model_name!r}, id={self.id!r}, inputs={self.inputs!r})"
