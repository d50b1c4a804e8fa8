"""The input example and schema of a model version: JSON made of arrays, tables and lists, by what they offer.

The schema has Hopsworks' form (hsml's ModelSchema): `{"input_schema": {"columnar_schema": [{"name", "type"}]}}` for
named columns, `{"input_schema": {"tensor_schema": {"type", "shape"}}}` for an array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hopyard.client.errors import InvalidArgument
from hopyard.client.local_files import LocalFile
from hopyard.client.transport import encode

EXAMPLE_FILE = "input_example.json"
SCHEMA_FILE = "model_schema.json"
LARGEST_EXAMPLE = 1024 * 1024
TYPES = {bool: "bool", int: "int64", float: "float64", str: "string"}


@contextmanager
def files(example: Any, schema: Any) -> Iterator[list[LocalFile]]:
    """The two documents as files to send; a schema that is not given is derived from the example.

    Raises InvalidArgument for an example that is too large or no JSON, or a schema of another form.
    """
    documents = {}
    if example is not None:
        documents[EXAMPLE_FILE] = _example(example)
    if (said := derived(example) if schema is None else checked(schema)) is not None:
        documents[SCHEMA_FILE] = encode(said)
    with TemporaryDirectory(prefix="hopyard-") as folder:
        for name, data in documents.items():
            (Path(folder) / name).write_bytes(data)
        yield [LocalFile(Path(folder) / name, name, len(data)) for name, data in documents.items()]


def checked(schema: Any) -> dict[str, Any]:
    """A schema that was given: a mapping, or an object with `to_dict` such as hsml's ModelSchema."""
    said = schema.to_dict() if hasattr(schema, "to_dict") else schema
    if not isinstance(said, Mapping) or not said.keys() & {"input_schema", "output_schema"}:
        raise InvalidArgument(
            "A schema is a mapping with input_schema or output_schema, each holding a columnar_schema or tensor_schema."
        )
    return dict(said)


def derived(example: Any) -> dict[str, Any] | None:
    """The schema that an example shows, or None when it shows none."""
    side = _side(example)
    return None if side is None else {"input_schema": side}


def _example(example: Any) -> bytes:
    is_table = hasattr(example, "to_numpy")
    data = encode(example.to_numpy().tolist() if is_table else example)
    if len(data) > LARGEST_EXAMPLE:
        raise InvalidArgument(
            f"The input example takes {len(data)} bytes; a few rows of it are enough, such as x[:3]."
        )
    return data


def _side(example: Any) -> dict[str, Any] | None:
    if hasattr(example, "columns") and hasattr(example, "dtypes"):
        columns = zip(example.columns, example.dtypes, strict=True)
        return {"columnar_schema": [{"name": str(name), "type": str(kind)} for name, kind in columns]}
    if hasattr(example, "to_numpy") and hasattr(example, "dtype"):
        named = {} if example.name is None else {"name": str(example.name)}
        return {"columnar_schema": [{**named, "type": str(example.dtype)}]}
    if hasattr(example, "dtype") and hasattr(example, "shape"):
        return _tensor(str(example.dtype), tuple(example.shape))
    if isinstance(example, Mapping):
        return _of_mapping(example)
    return _of_list(example) if isinstance(example, list | tuple) else None


def _of_mapping(example: Mapping[Any, Any]) -> dict[str, Any] | None:
    """A request body by what is in it, anything else as one row of named values."""
    for key in ("instances", "inputs"):
        if key in example:
            return _side(example[key])
    columns = [{"name": str(name), "type": _type([value])} for name, value in example.items()]
    return {"columnar_schema": columns} if columns else None


def _of_list(example: list[Any] | tuple[Any, ...]) -> dict[str, Any] | None:
    if example and all(isinstance(each, Mapping) for each in example):
        if all("shape" in each and "datatype" in each for each in example):
            return {"tensor_schema": [_v2_tensor(each) for each in example]}
        return _of_mapping(example[0])
    shape, leaves = _shape(example)
    return _tensor(_type(leaves), shape) if shape and leaves else None


def _v2_tensor(said: Mapping[Any, Any]) -> dict[str, str]:
    named = {"name": str(said["name"])} if "name" in said else {}
    return {**named, "type": str(said["datatype"]), "shape": str(tuple(said["shape"]))}


def _tensor(kind: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"tensor_schema": {"type": kind, "shape": str(shape)}}


def _shape(value: Any) -> tuple[tuple[int, ...] | None, list[Any]]:
    """The shape of nested lists with their leaves; no shape when they are ragged or hold other things."""
    if not isinstance(value, list | tuple):
        is_leaf = type(value) in TYPES or hasattr(value, "dtype")
        return ((), [value]) if is_leaf else (None, [])
    inner = [_shape(each) for each in value]
    shapes = {shape for shape, _ in inner}
    if len(shapes) > 1 or None in shapes:
        return None, []
    first = next(iter(shapes), ())
    return (len(value), *(first or ())), [leaf for _, leaves in inner for leaf in leaves]


def _type(leaves: list[Any]) -> str:
    kinds = {
        str(leaf.dtype) if hasattr(leaf, "dtype") else TYPES.get(type(leaf), "object") for leaf in leaves
    }
    if kinds == {"int64", "float64"}:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "object"
