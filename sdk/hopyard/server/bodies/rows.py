"""Tensors to rows and predictions to tensors, for models that are asked with a list or an array of rows."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hopyard.server.bodies import codec
from hopyard.server.bodies.tensors import (
    BadTensor,
    Tensor,
    TensorRequest,
    TensorResponse,
    datatype_of,
    numpy_module,
)
from hopyard.server.flavors import Alone

OUTPUT = "output-0"


def rows_of(asked: TensorRequest) -> Any:
    """Return the payload of a row-wise operation.

    One input: its array, whose first axis counts the rows. Several inputs: `Alone` with a dict of arrays by
    name, or a DataFrame with one column for each if the request's parameter `content_type` is `pd`. Raises
    BadTensor.
    """
    inputs = asked.inputs
    if asked.parameters.get("content_type") == "pd":
        return _frame(inputs)
    if len(inputs) == 1:
        array = inputs[0].as_array()
        if not array.ndim:
            raise BadTensor(
                f"The input {inputs[0].name} has no rows; its shape must begin with their number."
            )
        return _given(array)
    if not inputs:
        raise BadTensor("The request has no inputs; send at least one tensor.")
    return Alone({each.name: _given(each.as_array()) for each in inputs})


def as_lists(payload: Any) -> Any:
    """Turn the arrays of `rows_of` into lists, for scripts that say they take lists."""
    if isinstance(payload, Alone):
        return Alone({name: array.tolist() for name, array in payload.payload.items()})
    return payload.tolist() if hasattr(payload, "tolist") else payload


def response_of(value: Any, asked: TensorRequest) -> TensorResponse:
    """Return the response that holds what a model predicted.

    A dict or a DataFrame becomes one output per key or column, anything else the output `output-0`. Rows that
    are no numbers or strings become BYTES with the JSON of each. Raises BadTensor and Unserialisable.
    """
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        named = {str(column): value[column].to_numpy() for column in value.columns}
    elif isinstance(value, Mapping):
        named = {str(name): column for name, column in value.items()}
    else:
        named = {OUTPUT: value}
    outputs = [_tensor(name, column) for name, column in named.items()]
    return TensorResponse(asked.model_name, outputs, asked.model_version, asked.id or asked.request_id)


def _tensor(name: str, values: Any) -> Tensor:
    array = _array(values, name)
    return Tensor(name, datatype_of(array), array.shape, array=array)


def _array(values: Any, name: str) -> Any:
    numpy = numpy_module()
    if isinstance(values, numpy.ndarray):
        array = values
    else:
        plain = values.numpy() if callable(getattr(values, "numpy", None)) else values
        try:
            array = numpy.asarray(plain, dtype=object if _is_text(plain) else None)
        except ValueError:  # ragged
            array = _each_as_json(plain, name)
    kind = array.dtype.kind
    if kind == "f" and array.dtype.itemsize > 8:
        array = array.astype("f8")
    elif kind not in "biufSUO" or (kind == "O" and not _only_strings(array)):
        plain = codec.dated(array) if kind == "M" else array.tolist()
        array = _each_as_json(values if isinstance(values, list | tuple) else plain, name)
    return array if array.ndim else array.reshape(1)


def _is_text(values: Any) -> bool:
    """Text stays an array of objects: numpy's own would make every element as long as the longest."""
    while isinstance(values, list | tuple) and values:
        if any(isinstance(each, str) for each in values):
            return True
        values = values[0]
    return isinstance(values, str)


def _each_as_json(values: Any, name: str) -> Any:
    rows = values if isinstance(values, list | tuple) else [values]
    texts = [codec.dumps(row, place=f"{name}[{number}]") for number, row in enumerate(rows)]
    array = numpy_module().empty(len(texts), dtype=object)
    array[:] = texts
    return array


def _only_strings(array: Any) -> bool:
    return all(isinstance(each, str | bytes) for each in array.ravel())


def _given(array: Any) -> Any:
    """What a model is handed: its own to change, and strings where the bytes are UTF-8, as it was trained on."""
    if array.dtype.kind == "O":
        with suppress(UnicodeDecodeError):
            texts = [each.decode() if isinstance(each, bytes) else each for each in array.ravel()]
            array.ravel()[:] = texts
        return array
    return array if array.flags.writeable else array.copy()


def _frame(inputs: list[Tensor]) -> Any:
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise BadTensor("The model's environment has no pandas to make a table with; send rows.") from None
    columns: dict[str, Any] = {}
    for each in inputs:
        array = _given(each.as_array())
        if array.ndim and array.size != len(array):
            shape = list(array.shape)
            raise BadTensor(f"The input {each.name} has the shape {shape}; a column has one value in a row.")
        columns[each.name] = array.ravel()
    try:
        return pd.DataFrame(columns)
    except ValueError as error:
        raise BadTensor(f"The inputs do not make a table: {error}.") from None
