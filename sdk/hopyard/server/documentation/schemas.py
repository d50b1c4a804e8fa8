"""What bodies look like: the schemas of the OpenAPI document and examples of them."""

import math
from collections.abc import Sequence
from typing import Any

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
_VALUES = {"BOOL": True, "BYTES": "text", "FP16": 0.5, "FP32": 0.5, "FP64": 0.5}
_MOST_VALUES = 16


def tensor_example(inputs: Sequence[tuple[str, str, Sequence[int]]]) -> dict[str, Any]:
    """Return a request with one row of every input; unknown sizes are 1."""
    tensors = []
    for name, datatype, shape in inputs:
        sizes = [size if size > 0 else 1 for size in shape]
        if math.prod(sizes) > _MOST_VALUES:
            sizes = [1] * len(sizes)
        data = [_VALUES.get(datatype, 1)] * math.prod(sizes)
        tensors.append({"name": name, "shape": sizes, "datatype": datatype, "data": data})
    row = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": ROWS["instances"][0]}
    return {"inputs": tensors or [row]}


def tensors_answered(name: str) -> dict[str, Any]:
    """Return a response as it could be."""
    output = {"name": "output-0", "shape": [1], "datatype": "INT64", "parameters": None, "data": [0]}
    return {"model_name": name, "model_version": None, "id": "1", "parameters": None, "outputs": [output]}


_PARAMETERS = {
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string", "description": "BOOL, (U)INT8 to (U)INT64, FP16, FP32, FP64 or BYTES"},
        "data": {"type": "array", "description": "Nested or flat; absent where the tensor is binary"},
        "parameters": _PARAMETERS,
    },
}
_REQUESTED = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
}
SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "string", "description": "What happened and what to do"},
            "code": {"type": "string", "description": "One word for programs"},
            "request_id": {"type": "string"},
        },
    },
    "V1Request": {
        "type": "object",
        "description": "One item per row, under either of the names",
        "properties": {"instances": {"type": "array"}, "inputs": {"type": "array"}},
    },
    "V1Response": {"type": "object", "properties": {"predictions": {}}},
    "V2Rows": {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array"}, "id": {"type": "string"}},
    },
    "V2Request": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": _TENSOR},
            "outputs": {"type": "array", "items": _REQUESTED},
            "parameters": _PARAMETERS,
        },
    },
    "V2Response": {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": ["string", "null"]},
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "outputs": {"type": "array", "items": _TENSOR},
        },
    },
}
