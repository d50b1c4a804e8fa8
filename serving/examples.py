"""The request body that a serving's page suggests, from the version's own example where it has one."""

import json

from models_registry import storage
from serving.models import Serving

EXAMPLE_FILE = "input_example.json"
LARGEST_BYTES = 64 * 1024
SHORTEST = {"instances": [[1.0, 2.0, 3.0, 4.0]]}


def body(serving: Serving) -> str:
    """A body for `:predict`; a bare list in the example file counts as the instances."""
    assert serving.revision is not None
    file = serving.revision.model_version.files.filter(path=EXAMPLE_FILE).select_related("blob").first()
    if file is None or file.blob.size > LARGEST_BYTES:
        return json.dumps(SHORTEST)
    try:
        example = json.loads(b"".join(storage.read(file.blob)))
    except (ValueError, OSError):
        return json.dumps(SHORTEST)
    if isinstance(example, dict) and example.keys() & {"instances", "inputs"}:
        return json.dumps(example)
    rows = example if isinstance(example, list) and example and isinstance(example[0], list) else [example]
    return json.dumps({"instances": rows})
