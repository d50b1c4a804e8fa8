"""The same record with digests in place of its bodies, for a broker that finds it too large. Pure functions."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent / "schemas"
LONGEST_ERROR = 1000


def avro(version: int, value: bytes) -> bytes:
    """Of a value in that version of the inference schema."""
    import fastavro  # a rare case, which nobody else is to pay for

    schema = fastavro.parse_schema(json.loads((SCHEMAS / f"inferencelog-v{version}.json").read_text()))
    record: Any = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
    for body, digest in (("inferenceRequest", "requestSha256"), ("inferenceResponse", "responseSha256")):
        raw = record[body].encode()
        if digest not in record:
            record[body] = json.dumps(_digest(raw))
        elif raw:
            record |= {body: "", digest: _digest(raw)["sha256"]}
    if "error" in record:
        record["error"] = record["error"][:LONGEST_ERROR]
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, record)
    return written.getvalue()


def mlrun(value: bytes) -> bytes:
    """Of a record of MLRun's, single or batched."""
    record = json.loads(value)
    for name in ("request", "resp", "values"):
        if name in record:
            record[name] = _digest(json.dumps(record[name]).encode())
    if isinstance(record.get("error"), str):
        record["error"] = record["error"][:LONGEST_ERROR]
    return json.dumps(record).encode()


def _digest(raw: bytes) -> dict[str, Any]:
    return {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
