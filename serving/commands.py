"""Commands to copy: how to ask a serving in each protocol, at each of its addresses."""

import base64
import json
import shlex
from dataclasses import dataclass
from typing import Any

from serving import addresses, tensors
from serving.examples import EXAMPLE_FILE, Bodies
from serving.models import Serving

LONGEST_BODY = 400
KEY = "ApiKey $HOPYARD_API_KEY"
# The field of InferTensorContents that holds each datatype.
CONTENTS = {
    "BOOL": "bool_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
}
REQUEST_FILE = "request.json"
PROTO = "open_inference_grpc.proto"
METHOD = "inference.GRPCInferenceService/ModelInfer"
_V1 = (
    "V1 REST",
    "instances in, predictions out",
    "Besides :predict there are :classify, :regress and :explain, if the script has them.",
)
_V2 = (
    "V2 REST",
    "tensors, the Open Inference Protocol",
    "Without /infer the address describes the model. Tensors may also follow the JSON as raw bytes.",
)
_GRPC = (
    "gRPC",
    "tensors, at the port alone",
    f"{PROTO} is in github.com/kserve/open-inference-protocol; the key goes into the metadata.",
)


@dataclass(frozen=True)
class Protocol:
    """One protocol with its commands; `path` is empty where it is spoken on the port alone."""

    id: str
    name: str
    about: str
    hint: str
    path: str
    port: str


def protocols(serving: Serving, bodies: Bodies) -> list[Protocol]:
    v1 = f"/v1/models/{serving.name}:predict"
    v2 = f"/v2/models/{serving.name}/infer"
    path, port = addresses.path_base(serving), addresses.direct_base(serving)
    v1_data = _data(bodies.v1, EXAMPLE_FILE)
    v2_data = _data(bodies.v2 if len(json.dumps(bodies.v2)) <= LONGEST_BODY else bodies.v2_short)
    return [
        Protocol("v1", *_V1, path=curl(path + v1, v1_data), port=curl(port + v1, v1_data)),
        Protocol("v2", *_V2, path=curl(path + v2, v2_data), port=curl(port + v2, v2_data)),
        Protocol("grpc", *_GRPC, path="", port=_grpcurl(serving, bodies.v2_short)),
    ]


def curl(url: str, data: str) -> str:
    return _lines(
        f"curl {shlex.quote(url)}",
        f'-H "Authorization: {KEY}"',
        "-H 'Content-Type: application/json'",
        f"-d {data}",
    )


def _grpcurl(serving: Serving, body: dict[str, Any]) -> str:
    text = json.dumps({"model_name": serving.name, "inputs": [_message(each) for each in body["inputs"]]})
    is_short = len(text) <= LONGEST_BODY
    return _lines(
        f"grpcurl -plaintext -proto {PROTO}",
        f'-H "authorization: {KEY}"',
        f"-d {shlex.quote(text) if is_short else '@'}",
        f"{addresses.grpc_address(serving)} {METHOD}" + ("" if is_short else f" < {REQUEST_FILE}"),
    )


def _message(tensor: dict[str, Any]) -> dict[str, Any]:
    """A tensor of JSON as a message in protobuf's JSON, where bytes are in base64."""
    data = list(tensors.flat(tensor.get("data", [])))
    if tensor["datatype"] == "BYTES":
        data = [base64.b64encode(str(each).encode()).decode() for each in data]
    told = {name: tensor[name] for name in ("name", "shape", "datatype")}
    return {**told, "contents": {CONTENTS.get(tensor["datatype"], "fp32_contents"): data}}


def _data(document: dict[str, Any], file: str = REQUEST_FILE) -> str:
    """The document as an argument; a long one as the name of a file."""
    text = json.dumps(document)
    return shlex.quote(text) if len(text) <= LONGEST_BODY else f"@{file}"


def _lines(*parts: str) -> str:
    return " \\\n  ".join(parts)
