"""The Open Inference Protocol's values, whatever carried them: tensors, requests and responses.

Datatypes are the protocol's: BOOL, UINT8..UINT64, INT8..INT64, FP16, FP32, FP64, BYTES (and BF16, raw only).
Raw content is little-endian and row-major; a BYTES element is a 4-byte length and that many bytes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from hopyard.server.replies import Problem

if TYPE_CHECKING:
    import numpy as np

DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
DATATYPES = frozenset({*DTYPES, "BYTES", "BF16"})
LENGTH_BYTES = 4
MOST_EMPTY = 65_536  # a shape such as [2000000000, 0] claims rows that nothing backs


class BadTensor(Problem):
    """A tensor that cannot be read or written; 400, INVALID_ARGUMENT."""

    def __init__(self, sentence: str) -> None:
        super().__init__(400, sentence, "BadBody")


@dataclass(slots=True)
class Tensor:
    """One named tensor. Its values are in exactly one of `data` (a list, nested or flat, as it was sent),
    `raw` (bytes as on the wire) and `array` (a numpy array, of `object` for BYTES).
    """

    name: str
    datatype: str
    shape: Sequence[int]
    data: list[Any] | None = None
    raw: bytes | memoryview | None = None
    array: "np.ndarray[Any, Any] | None" = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def as_array(self) -> "np.ndarray[Any, Any]":
        """Return the values in `shape`, of the dtype of `datatype` (`object` for BYTES: bytes from raw content,
        else what was sent). Raw content is not copied. Raises BadTensor.
        """
        array: np.ndarray[Any, Any] = self._flat()
        shape = tuple(self.shape)
        if not array.size and any(size > MOST_EMPTY for size in shape):
            raise BadTensor(f"The tensor {self.name} has no values, and yet the shape {list(shape)}.")
        if array.shape == shape:
            return array
        try:
            return array.reshape(shape)
        except (ValueError, TypeError, OverflowError):
            raise BadTensor(
                f"The tensor {self.name} has {array.size} values, which do not fill the shape {list(shape)}."
            ) from None

    def as_raw(self) -> bytes | memoryview:
        """Return the values as they go on the wire. Raises BadTensor."""
        if self.raw is not None:
            return self.raw
        array = self.as_array()
        if self.datatype == "BYTES":
            return _pack(array.ravel().tolist(), self.name)
        try:
            return bytes(array.astype(self._dtype, copy=False).tobytes())
        except (ValueError, TypeError, OverflowError) as error:
            raise self._unlike(error) from None

    def as_list(self) -> list[Any]:
        """Return the values as one flat list; BYTES as they are."""
        if self.data is not None and not any(isinstance(item, list) for item in self.data):
            return self.data
        values: list[Any] = self.as_array().ravel().tolist()
        return values

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def _flat(self) -> Any:
        if self.array is not None:
            return self.array
        numpy = numpy_module()
        if self.datatype == "BYTES":
            return _object_array(self._elements())
        dtype = self._dtype
        if self.raw is not None:
            try:
                return numpy.frombuffer(self.raw, dtype)
            except ValueError:
                width = numpy.dtype(dtype).itemsize
                raise BadTensor(
                    f"The tensor {self.name} has {len(self.raw)} bytes, not a multiple of {width}."
                ) from None
        try:
            return numpy.asarray(self.data, dtype=dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise self._unlike(error) from None

    @property
    def _dtype(self) -> str:
        dtype = DTYPES.get(self.datatype)
        if dtype is None:
            known = "numpy has none" if self.datatype in DATATYPES else "it is not a datatype of the protocol"
            raise BadTensor(f"The tensor {self.name} has the datatype {self.datatype}: {known}.")
        return dtype

    def _unlike(self, error: Exception) -> BadTensor:
        return BadTensor(f"The tensor {self.name} is not {self.datatype} throughout: {error}.")

    def _elements(self) -> list[Any]:
        if self.raw is not None:
            return _unpack(self.raw, self.name)
        return _leaves(self.data or ())


@dataclass(slots=True)
class RequestedOutput:
    """An output the caller asked for; its parameter `binary_data` decides how it is sent over REST."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class TensorRequest:
    """A V2 inference request. `headers` have lower-case names. `is_raw`: some input came as raw bytes.

    `outputs` None means all. `id` is empty unless the caller gave one; `request_id` is the server's. `key_id` is
    only set on what a transformer asks its predictor.
    """

    model_name: str
    inputs: list[Tensor]
    model_version: str = ""
    id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: list[RequestedOutput] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    from_grpc: bool = False
    is_raw: bool = False
    request_id: str = ""
    notes: Any = None
    key_id: str | None = None


@dataclass(slots=True)
class TensorResponse:
    """A V2 inference response. `headers` go to the HTTP answer; gRPC has no use for them."""

    model_name: str
    outputs: list[Tensor]
    model_version: str = ""
    id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def datatype_of(array: "np.ndarray[Any, Any]") -> str:
    """Return the protocol's name of an array's dtype; BYTES for strings and objects. Raises BadTensor."""
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind in "OSU":
        return "BYTES"
    if kind == "b":
        return "BOOL"
    names = {"u": "UINT", "i": "INT", "f": "FP"}
    datatype = f"{names.get(kind, '?')}{width * 8}"
    if datatype not in DTYPES:
        raise BadTensor(f"An array of {array.dtype} has no datatype in the protocol.")
    return datatype


@cache
def numpy_module() -> Any:
    """Imported on first use: a model that takes no tensors needs none of it."""
    import numpy

    return numpy


def _object_array(elements: list[Any]) -> "np.ndarray[Any, Any]":
    array: np.ndarray[Any, Any] = numpy_module().empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _leaves(values: Sequence[Any]) -> list[Any]:
    """The items of lists within lists, in order; not by recursion, as callers choose the depth."""
    leaves, ahead = [], [iter(values)]
    while ahead:
        for item in ahead[-1]:
            if isinstance(item, list):
                ahead.append(iter(item))
                break
            leaves.append(item)
        else:
            ahead.pop()
    return leaves


def _pack(elements: list[Any], name: str) -> bytes:
    parts = []
    for element in elements:
        try:
            text = element if isinstance(element, bytes) else str(element).encode()
        except UnicodeEncodeError:
            raise BadTensor(f"The tensor {name} has a string that is not Unicode.") from None
        parts += [len(text).to_bytes(LENGTH_BYTES, "little"), text]
    return b"".join(parts)


def _unpack(raw: bytes | memoryview, name: str) -> list[bytes]:
    elements, at, end = [], 0, len(raw)
    while at < end:
        length = int.from_bytes(raw[at : at + LENGTH_BYTES], "little")
        start, at = at + LENGTH_BYTES, at + LENGTH_BYTES + length
        if at > end:
            raise BadTensor(f"The tensor {name} ends inside one of its elements.")
        elements.append(bytes(raw[start:at]))
    return elements
