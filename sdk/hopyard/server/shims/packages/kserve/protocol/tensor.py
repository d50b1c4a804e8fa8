"""One named tensor, as handlers hold it: an input of a request or an output of a response."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hopyard.server.bodies.tensors import DTYPES, BadTensor, Tensor, datatype_of, numpy_module

from ..errors import InferenceError, InvalidInput

if TYPE_CHECKING:
    import numpy as np

SIZE = "binary_data_size"


class NamedTensor:
    """Values in `data` (a list or an array), or as raw bytes of the protocol; `as_numpy()` reads both.

    `datatype` is one of the protocol's names in upper case, `shape` a list of sizes. `parameters` belong to the
    tensor; `binary_data_size` is among them while the values are raw.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        datatype: str,
        data: Any = None,
        parameters: Any = None,
    ) -> None:
        self.name = name
        self.shape: Any = shape
        self.datatype = datatype.upper()
        self.parameters: Any = {} if parameters is None else parameters
        self._data = data
        self._raw_data: bytes | memoryview | None = None
        self._is_listed = False

    @classmethod
    def of(cls, tensor: Tensor, *, from_grpc: bool) -> Any:
        """Make one of what a carrier brought. Raw values that came over REST are also there as a list."""
        made = cls.__new__(cls)
        made.name, made.shape, made.datatype = tensor.name, tensor.shape, tensor.datatype
        made.parameters = tensor.parameters
        made._data = tensor.data if tensor.array is None else tensor.array
        made._raw_data = tensor.raw
        made._is_listed = tensor.raw is not None and not from_grpc
        if from_grpc and tensor.raw is not None:
            made._data = []
        return made

    @property
    def data(self) -> Any:
        """The values as they came: a list, nested or flat; empty where they are raw and came over gRPC."""
        if self._is_listed:
            self._data, self._is_listed = (
                [_readable(each) for each in self.as_numpy().ravel().tolist()],
                False,
            )
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self._data, self._raw_data, self._is_listed = data, None, False

    @property
    def raw_data(self) -> bytes | memoryview | None:
        """The values as on the wire, or None."""
        return self._raw_data

    def as_numpy(self) -> "np.ndarray[Any, Any]":
        """Return the values in `shape`; raw ones read-only. Raises InvalidInput."""
        try:
            return self.as_tensor().as_array()
        except BadTensor as problem:
            raise InvalidInput(problem.sentence) from None

    def as_string(self) -> list[list[str]]:
        """Return nested lists of bytes as nested lists of str."""
        if self.datatype != "BYTES":
            raise InvalidInput(f"invalid datatype {self.datatype} in the input")
        return [[each.decode() if isinstance(each, bytes) else each for each in row] for row in self.data]

    def as_tensor(self) -> Tensor:
        """Return the same values as the server keeps them."""
        if self._raw_data is not None:
            return Tensor(self.name, self.datatype, self.shape, raw=self._raw_data)
        if self._data is None or isinstance(self._data, list | tuple):
            data = self._data if isinstance(self._data, list) else list(self._data or ())
            return Tensor(self.name, self.datatype, self.shape, data=data)
        return Tensor(self.name, self.datatype, self.shape, array=_typed(self._data, self.datatype))

    def set_data_from_numpy(self, tensor: "np.ndarray[Any, Any]", binary_data: bool = True) -> None:
        """Take the values of an array whose dtype and shape are those of this tensor.

        `binary_data` keeps them raw, otherwise they become a flat list. Raises InferenceError.
        """
        if not isinstance(tensor, numpy_module().ndarray):
            raise InferenceError("input_tensor must be a numpy array")
        self._check(tensor)
        flat = tensor.ravel().tolist()
        if binary_data:
            raw = bytes(Tensor(self.name, self.datatype, self.shape, array=tensor).as_raw())
            self._data, self._raw_data = None, raw
            self.parameters = {**(self.parameters or {}), SIZE: len(raw)}
            return
        if self.parameters:
            self.parameters.pop(SIZE, None)
        self._raw_data = None
        self._data = [_decoded(each, self.name) for each in flat] if self.datatype == "BYTES" else flat

    def to_dict(self) -> dict[str, Any]:
        """Return the tensor as a dict of its five parts."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "datatype": self.datatype,
            "data": self.data if self._raw_data is None else self.as_numpy().ravel().tolist(),
            "parameters": self.parameters,
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamedTensor):
            return False
        mine = (self.name, self.datatype, list(self.shape), self.parameters)
        theirs = (other.name, other.datatype, list(other.shape), other.parameters)
        return mine == theirs and bytes(self.as_tensor().as_raw()) == bytes(other.as_tensor().as_raw())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {list(self.shape)}, {self.datatype!r})"

    def _check(self, tensor: "np.ndarray[Any, Any]") -> None:
        try:
            datatype = datatype_of(tensor)
        except BadTensor as problem:
            raise InferenceError(problem.sentence) from None
        if datatype != self.datatype:
            raise InferenceError(
                f"got unexpected datatype {datatype} from numpy array, expected {self.datatype}"
            )
        if tuple(self.shape) != tensor.shape:
            raise InferenceError(
                f"got unexpected numpy array shape {list(tensor.shape)}, expected {list(self.shape)}"
            )


def serialize_byte_tensor(input_tensor: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return an array of bytes or str as the protocol's raw BYTES, in an array of one object. Raises InferenceError."""
    if input_tensor.size == 0:
        return input_tensor.ravel().astype(object)
    if input_tensor.dtype.kind not in "OSU":
        raise InferenceError("cannot serialize bytes tensor: invalid datatype")
    raw = bytes(Tensor("", "BYTES", input_tensor.shape, array=input_tensor).as_raw())
    serialized: np.ndarray[Any, Any] = numpy_module().asarray(raw, dtype=object)
    return serialized


def deserialize_bytes_tensor(encoded_tensor: bytes) -> "np.ndarray[Any, Any]":
    """Return the elements of raw BYTES, as an array of bytes with one axis. Raises InvalidInput."""
    try:
        return Tensor("bytes", "BYTES", (-1,), raw=encoded_tensor).as_array()
    except BadTensor as problem:
        raise InvalidInput(problem.sentence) from None


def _typed(values: Any, datatype: str) -> "np.ndarray[Any, Any]":
    """Arrays of other libraries, and of another dtype than the tensor says, become what it says."""
    array: np.ndarray[Any, Any] = numpy_module().asarray(values)
    wanted = DTYPES.get(datatype)
    return array if wanted is None or array.dtype == wanted else array.astype(wanted)


def _readable(element: Any) -> Any:
    """Elements that are no text stay bytes."""
    if not isinstance(element, bytes):
        return element
    try:
        return element.decode()
    except UnicodeDecodeError:
        return element


def _decoded(element: Any, name: str) -> Any:
    try:
        return element.decode() if isinstance(element, bytes) else element
    except UnicodeDecodeError:
        raise InferenceError(
            f"Failed to encode element of {name}: it is not UTF-8; keep it with binary_data=True"
        ) from None
