"""The request bodies that a serving's page suggests, from the version's own example where it has one."""

import json
from dataclasses import dataclass
from typing import Any

from models_registry import storage
from serving import tensors
from serving.models import Serving

EXAMPLE_FILE = "input_example.json"
LARGEST_BYTES = 64 * 1024
SHORTEST_ROWS = [[1.0, 2.0, 3.0, 4.0]]


@dataclass(frozen=True)
class Bodies:
    """JSON documents for V1 (`:predict`) and V2 (`/infer`); `v2_short` asks about one row only."""

    v1: dict[str, Any]
    v2: dict[str, Any]
    v2_short: dict[str, Any]


def bodies(serving: Serving) -> Bodies:
    """A bare list in the example file is the instances, or one instance if its items are no rows."""
    example = _example(serving)
    if isinstance(example, dict) and tensors.are_tensors(example.get("inputs")):
        instances = tensors.rows(example["inputs"])
        v1 = example if instances is None else {"instances": instances}
        return Bodies(v1=v1, v2=example, v2_short=example)
    if isinstance(example, dict) and example.keys() & {"instances", "inputs"}:
        v1 = example
    elif isinstance(example, list) and example and isinstance(example[0], list | dict):
        v1 = {"instances": example}
    else:
        v1 = {"instances": [example]}
    rows = v1.get("instances", v1.get("inputs"))
    rows = rows if isinstance(rows, list) and rows else SHORTEST_ROWS
    fallback = tensors.request(SHORTEST_ROWS) or {}
    v2 = tensors.request(rows) or fallback
    return Bodies(v1=v1, v2=v2, v2_short=tensors.request(rows[:1]) or fallback)


def _example(serving: Serving) -> Any:
    """What the file says; without a readable one, rows of four numbers."""
    file = serving.current.model_version.files.filter(path=EXAMPLE_FILE).select_related("blob").first()
    if file is None or file.blob.size > LARGEST_BYTES:
        return SHORTEST_ROWS
    try:
        return json.loads(b"".join(storage.read(file.blob)))
    except (ValueError, OSError, RecursionError):
        return SHORTEST_ROWS
