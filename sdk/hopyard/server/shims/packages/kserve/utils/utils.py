"""`kserve.utils.utils`: ids, and payloads of either protocol to what models take, and back."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopyard.server.bodies.tensors import datatype_of, numpy_module

from ..errors import InvalidInput
from ..protocol.conversions import plain
from ..protocol.infer_type import InferOutput, InferRequest, InferResponse
from .words import strtobool

OUTPUT = "output-0"

__all__ = [
    "cpu_count",
    "generate_uuid",
    "get_predict_input",
    "get_predict_response",
    "is_v1",
    "is_v2",
    "strtobool",
]


def generate_uuid() -> str:
    """Return a new random id."""
    return str(uuid.uuid4())


def cpu_count() -> int:
    """Return how many CPUs this process may use: of the machine, its affinity and its control group the least."""
    counts = [os.cpu_count() or 1, len(os.sched_getaffinity(0))]
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        counts.append(max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no control group, or no limit
    return min(counts)


def is_v1(protocol: Any) -> bool:
    """Whether a protocol, its name or the enum's member, is V1."""
    return bool(getattr(protocol, "value", protocol) == "v1")


def is_v2(protocol: Any) -> bool:
    """Whether a protocol, its name or the enum's member, is V2 over REST."""
    return bool(getattr(protocol, "value", protocol) == "v2")


def get_predict_input(payload: Any, columns: list[str] | None = None) -> Any:
    """Return what a model takes: an array, a list of str, or a DataFrame. Raises InvalidInput.

    A V1 payload with rows of dicts, and a V2 request whose parameter `content_type` is `pd`, become DataFrames.
    """
    if isinstance(payload, Mapping):
        return _rows(payload["inputs"] if "inputs" in payload else payload["instances"], columns)
    if not isinstance(payload, InferRequest):
        raise InvalidInput(f"unsupported payload type {type(payload)}")
    if plain((payload.parameters or {}).get("content_type")) == "pd":
        return payload.as_dataframe()
    first = payload.inputs[0]
    if first.datatype == "BYTES" and first.data and isinstance(first.data[0], str):
        return first.data
    return first.as_numpy()


def get_predict_response(payload: Any, result: Any, model_name: str) -> Any:
    """Return `{"predictions": ...}` for a V1 payload, an InferResponse for a V2 request. Raises InvalidInput."""
    if isinstance(payload, Mapping):
        if _is_frame(result):
            return {"predictions": result.to_dict(orient="records")}
        return {"predictions": result.tolist() if hasattr(result, "tolist") else result}
    if not isinstance(payload, InferRequest):
        raise InvalidInput(f"unsupported payload type {type(payload)}")
    return InferResponse(
        response_id=payload.id or generate_uuid(),
        model_name=model_name,
        infer_outputs=_outputs(result, as_raw=payload.use_binary_outputs),
        use_binary_outputs=payload.use_binary_outputs,
        requested_outputs=payload.request_outputs,
    )


def _rows(rows: Any, columns: list[str] | None) -> Any:
    numpy = numpy_module()
    if len(rows) == 0:
        return numpy.array(rows)
    first = rows[0]
    if isinstance(first, Mapping) or (isinstance(first, list) and first and isinstance(first[0], Mapping)):
        import pandas

        return pandas.concat([pandas.DataFrame(row, columns=columns) for row in rows], axis=0)
    return rows if isinstance(first, str) else numpy.array(rows)


def _outputs(result: Any, *, as_raw: bool) -> list[InferOutput]:
    if _is_frame(result):
        return [_output(str(name), result[name].to_numpy(), as_raw=as_raw) for name in result.columns]
    numpy = numpy_module()
    if isinstance(result, list) and result and isinstance(result[0], str):
        return [_output(OUTPUT, numpy.array(result, dtype=object), as_raw=as_raw)]
    return [_output(OUTPUT, numpy.asarray(result), as_raw=as_raw)]


def _output(name: str, array: Any, *, as_raw: bool) -> InferOutput:
    output = InferOutput(name, list(array.shape), datatype_of(array))
    output.set_data_from_numpy(array, binary_data=as_raw)
    return output


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "iloc")
