"""A version's input example and schema: small JSON files beside the model, read but never derived here."""

import json
from dataclasses import dataclass
from typing import Any

from models_registry import storage
from models_registry.models import ModelVersion

EXAMPLE_FILE = "input_example.json"
SCHEMA_FILE = "model_schema.json"
LARGEST_BYTES = 64 * 1024
LONGEST_SHOWN = 20_000
MOST_COLUMNS = 500


@dataclass(frozen=True)
class Document:
    """What a JSON file says; `problem` tells why it cannot be shown."""

    path: str
    value: Any = None
    problem: str = ""

    @property
    def pretty(self) -> str:
        """Indented, with rows of plain values on one line each."""
        text = _pretty(self.value)
        return (
            text
            if len(text) <= LONGEST_SHOWN
            else f"{text[:LONGEST_SHOWN]}\n… download the file for the rest"
        )


@dataclass(frozen=True)
class Column:
    """A column or tensor of a schema."""

    name: str
    type: str
    shape: str
    description: str


@dataclass(frozen=True)
class Side:
    """The input or the output of a schema."""

    title: str
    columns: tuple[Column, ...]


def example(version: ModelVersion) -> Document | None:
    return _read(version, EXAMPLE_FILE)


def schema(version: ModelVersion) -> Document | None:
    return _read(version, SCHEMA_FILE)


def sides(document: Any) -> list[Side]:
    """Inputs and outputs of a schema in Hopsworks' form; what has another form is left out.

    That form is `{"input_schema": {"columnar_schema": [{"name", "type", "description"}]}, "output_schema":
    {"tensor_schema": {"type", "shape"}}}`, each schema being one or the other, a tensor one also a list (hsml's
    ModelSchema).
    """
    if not isinstance(document, dict):
        return []
    titles = {"input_schema": "Input", "output_schema": "Output"}
    found = [Side(title, _columns(document.get(key))) for key, title in titles.items()]
    return [side for side in found if side.columns]


def _read(version: ModelVersion, path: str) -> Document | None:
    file = version.files.filter(path=path).select_related("blob").first()
    if file is None:
        return None
    if file.blob.size > LARGEST_BYTES:
        return Document(
            path, problem=f"It is larger than {LARGEST_BYTES // 1024} KB; download it to read it."
        )
    try:
        value = json.loads(b"".join(storage.read(file.blob)), parse_constant=_refuse)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        return Document(path, problem="It is nested too deeply to be shown.")
    except ValueError as error:
        return Document(path, problem=f"It is not valid JSON: {error}.")
    except OSError:
        return Document(path, problem="Its bytes are missing from the platform's storage; export it again.")
    return Document(path, value)


def _columns(side: Any) -> tuple[Column, ...]:
    if not isinstance(side, dict):
        return ()
    listed = side.get("columnar_schema", side.get("tensor_schema"))
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list):
        return ()
    return tuple(_column(each) for each in listed[:MOST_COLUMNS] if isinstance(each, dict))


def _column(said: dict[str, Any]) -> Column:
    return Column(*(_text(said.get(key)) for key in ("name", "type", "shape", "description")))


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _pretty(value: Any, indent: str = "") -> str:
    inside = f"{indent}  "
    if isinstance(value, dict) and value:
        items = [
            f"{json.dumps(key, ensure_ascii=False)}: {_pretty(each, inside)}" for key, each in value.items()
        ]
        return "{\n" + ",\n".join(inside + item for item in items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "[\n" + ",\n".join(inside + _pretty(each, inside) for each in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
