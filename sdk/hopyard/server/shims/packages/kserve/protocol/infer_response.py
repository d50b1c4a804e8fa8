"""The response that handlers answer with over the Open Inference Protocol."""

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidInput
from . import conversions
from .infer_request import RequestedOutput
from .tensor import NamedTensor


class InferOutput(NamedTensor):
    """One output of a response."""


class InferResponse:
    """What a handler answers with."""

    def __init__(  # noqa: PLR0913, PLR0917 - the published constructor
        self,
        response_id: str | None,
        model_name: str,
        infer_outputs: Sequence[InferOutput],
        model_version: str | None = None,
        raw_outputs: Sequence[bytes] | None = None,
        from_grpc: bool | None = False,
        parameters: Any = None,
        use_binary_outputs: bool | None = False,
        requested_outputs: list[RequestedOutput] | None = None,
    ) -> None:
        self.id = response_id
        self.model_name = model_name
        self.model_version = model_version
        self.outputs: Any = infer_outputs
        self.parameters = parameters
        self.from_grpc = from_grpc  # type: ignore[method-assign, assignment]
        self.use_binary_outputs = use_binary_outputs
        self.requested_outputs = requested_outputs
        conversions.give_raw(infer_outputs, raw_outputs)

    @classmethod
    def from_rest(cls, response: dict[str, Any]) -> "InferResponse":
        """Read the JSON object of a V2 response. Raises InvalidInput."""
        return cls(**conversions.response_parts(response, InferOutput))

    @classmethod
    def from_bytes(cls, res_bytes: bytes, json_length: int) -> "InferResponse":
        """Read a body of JSON with raw tensors behind it. Raises InvalidInput."""
        return cls.from_rest(conversions.joined(res_bytes, json_length, "outputs"))

    @classmethod
    def from_grpc(cls, response: Any) -> "InferResponse":
        """Read a ModelInferResponse message."""
        outputs, raw = conversions.tensors_of_message(
            response.outputs, response.raw_output_contents, InferOutput
        )
        return cls(
            response.id,
            response.model_name,
            outputs,
            model_version=response.model_version,
            raw_outputs=raw,
            from_grpc=True,
            parameters=response.parameters,
        )

    def get_output_by_name(self, name: str) -> InferOutput | None:
        """Return the first output of that name, or None."""
        return next((each for each in self.outputs if each.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the response as the JSON object of V2."""
        document: dict[str, Any] = {"id": self.id, "model_name": self.model_name}
        document["outputs"] = [each.to_dict() for each in self.outputs]
        return document | ({"parameters": self.parameters} if self.parameters else {})

    def to_rest(self) -> tuple[dict[str, Any] | bytes, int | None]:
        """Return a JSON object and None, or bytes and the length of the JSON before the raw tensors.

        Only the requested outputs are in it, raw where that was requested. Raises InvalidInput.
        """
        outputs, binary = self._requested()
        head = {"id": self.id, "model_name": self.model_name, "model_version": self.model_version}
        more = {"parameters": conversions.plain_map(self.parameters)}
        return conversions.to_rest(head, "outputs", outputs, more, binary=binary)

    def to_grpc(self) -> Any:
        """Return a ModelInferResponse message."""
        return conversions.response_message(self)

    def _requested(self) -> tuple[list[InferOutput], set[str]]:
        if not self.requested_outputs:
            return list(self.outputs), {e.name for e in self.outputs} if self.use_binary_outputs else set()
        outputs = []
        for wanted in self.requested_outputs:
            found = self.get_output_by_name(wanted.name)
            if found is None:
                raise InvalidInput(
                    f"Unexpected inference output '{wanted.name}' for model '{self.model_name}'"
                )
            outputs.append(found)
        return outputs, {each.name for each in self.requested_outputs if each.binary_data}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InferResponse) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"InferResponse(model_name={self.model_name!r}, id={self.id!r}, outputs={self.outputs!r})"
