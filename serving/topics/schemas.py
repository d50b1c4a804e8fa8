"""The schemas that are registered for inference topics, as Avro schemas in JSON.

Versions 1 to 4 are those of Hopsworks (one event a direction in 4, of KServe deployments); 5 is ours and has every
field of 3. A record is bare Avro binary, without a magic byte, and has no key.
"""

import functools
import json
from pathlib import Path
from typing import Any

SUBJECT = "inferenceschema"
MLRUN = "mlrunrecord"
"""The subject of topics whose messages are MLRun's records: UTF-8 JSON, without a schema of Avro."""
VERSIONS = (1, 2, 3, 4, 5)
CURRENT = 5
WRITTEN = (1, 2, 3, 5)
"""What a serving writes: one record a call."""


@functools.cache
def text(version: int) -> str:
    """The schema as it is registered. Raises KeyError for a version that there is not."""
    if version not in VERSIONS:
        raise KeyError(version)
    return (Path(__file__).parent / "schemas" / f"inferencelog-v{version}.json").read_text()


@functools.cache
def document(version: int) -> dict[str, Any]:
    """The same as an object."""
    found: dict[str, Any] = json.loads(text(version))
    return found
