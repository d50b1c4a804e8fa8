"""Which recorded calls can be asked again, and how: the address and body of each, or why not. No I/O."""

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
    """How a call is asked over HTTP, whatever carried it when it was recorded."""
    name = quote(serving, safe="")
    if protocol in {"", "v1"} and (verb in V1_VERBS or protocol == "v1"):
        return Question(f"/v1/models/{name}:{quote(verb, safe='')}", inputs)
    return Question(f"/v2/models/{name}/{quote(verb, safe='/')}", inputs)
