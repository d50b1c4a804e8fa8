"""`kserve.protocol.infer_type`: what handlers receive and answer with over the Open Inference Protocol."""

from .infer_request import InferInput, InferRequest, RequestedOutput
from .infer_response import InferOutput, InferResponse
from .tensor import deserialize_bytes_tensor, serialize_byte_tensor

__all__ = [
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "RequestedOutput",
    "deserialize_bytes_tensor",
    "serialize_byte_tensor",
]
