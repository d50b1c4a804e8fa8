"""Which recorded calls can be asked again, and how: the address and body of each, or why not. No I/O."""

import json
from dataclasses import dataclass
from urllib.parse import quote

from serving.models import InferenceRecord

CLIENT_LEFT = 499
V1_VERBS = frozenset({"predict", "classify", "regress", "explain"})


@dataclass(frozen=True)
class Question:
    """What is sent for a record."""

    path: str
    body: str


def reason_against(record: InferenceRecord, *, is_redacted: bool) -> str:
    """Why a record cannot be asked again, empty if it can; `is_redacted` if its revision redacts inputs."""
    if record.status == CLIENT_LEFT:
        return "the client left before it was answered"
    if record.inputs_sha256:
        return "too large or no JSON, so that only its digest was kept"
    if not record.inputs:
        return "its inputs were not kept"
    if is_redacted:
        return "its inputs were redacted"
    return ""


def question(serving: str, *, protocol: str, verb: str, inputs: str) -> Question:
    """How a call is asked over HTTP, whatever carried it when it was recorded. Records in older versions of the schema
    do not say what was asked for; that was a prediction, of the kind that the body shows.
    """
    name = quote(serving, safe="")
    if not protocol and not verb:
        protocol, verb = ("v2", "infer") if _has_tensors(inputs) else ("v1", "predict")
    if protocol in {"", "v1"} and (verb in V1_VERBS or protocol == "v1"):
        return Question(f"/v1/models/{name}:{quote(verb, safe='')}", inputs)
    return Question(f"/v2/models/{name}/{quote(verb, safe='/')}", inputs)


def _has_tensors(inputs: str) -> bool:
    """Whether a body is one of V2, which V1's `inputs` are not: they are rows."""
    try:
        tensors = json.loads(inputs)["inputs"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(tensors, list) and all(
        isinstance(each, dict) and "datatype" in each for each in tensors
    )
