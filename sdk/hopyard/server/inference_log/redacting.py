"""`python -P -m hopyard.server.inference_log.redacting`: applies rules of redaction for who is no model server.

Reads lines of JSON, {"rules", "salt", "inputs", "outputs", "error", "has_run"}, of one call each, the three texts or
null, and writes for each a line {"inputs", "outputs", "error"}: what an inference record would keep of them. It ends
at a line that it cannot read.
"""

import functools
import sys
from typing import Any

import orjson

from hopyard.server.inference_log.redaction import Redaction


def main() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(_kept(orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()


def _kept(asked: dict[str, Any]) -> dict[str, Any]:
    inputs, outputs = (_raw(asked[name]) for name in ("inputs", "outputs"))
    redaction = _redaction(orjson.dumps(asked["rules"]), asked["salt"])
    kept = redaction.kept(inputs, outputs, asked["error"], has_run=asked["has_run"])
    return {"inputs": kept.inputs.text, "outputs": kept.outputs.text, "error": kept.error}


def _raw(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


@functools.lru_cache(maxsize=16)
def _redaction(rules: bytes, salt: str) -> Redaction:
    return Redaction.of(orjson.loads(rules), salt)


if __name__ == "__main__":
    main()
