"""Operations that a model has not: how a replica's answer says so, and what the caller is told instead.

A request without a model is asked for by its operation alone, so that the replica may take that for a model's name.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from worker.streaming.replies import Reply
from worker.streaming.requests import Request

CODE = "OperationNotFound"
MLRUN = "V2ModelServer"
_SAID_BY_MLRUN = b"ValueError: illegal model operation "
_CODES = {404: "NotFound", 405: "MethodNotAllowed"}
_LONGEST = 100


def is_unknown(request: Request, reply: Reply) -> bool:
    """Whether the replica knows no such operation: by the model server's own codes, or in MLRun's words."""
    if reply.status == 400:
        return reply.body.startswith(_SAID_BY_MLRUN)
    if reply.status not in _CODES:
        return False
    code = document(reply).get("code")
    return code == _CODES[reply.status] or (code == "ModelNotFound" and not request.model)


def explained(request: Request, reply: Reply, about: Mapping[str, Any]) -> Reply:
    """The same reply in a sentence that names the operations; `about` is what the model tells of itself at its V1 page,
    empty where it does not. The reply as it is, if the model has the operation.
    """
    name, verbs = about.get("name"), about.get("verbs")
    if (
        isinstance(verbs, list)
        and ("predict" if request.operation == "infer" else request.operation) in verbs
    ):
        return reply  # which has other reasons
    model = f"The model {name}" if isinstance(name, str) else "The model"
    has = _named(verbs, is_mlrun=about.get("style") == MLRUN) if isinstance(verbs, list) and verbs else ""
    sentence = f"{model} has no operation {request.operation[:_LONGEST]}" + (
        f"; it has {has}." if has else "."
    )
    body = json.dumps({"error": sentence, "code": CODE}).encode()
    return replace(reply, body=body, content_type="application/json")


def document(reply: Reply) -> dict[str, Any]:
    """The object that the reply is, empty for anything else."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _named(verbs: list[Any], *, is_mlrun: bool) -> str:
    names = [*(["infer"] if "predict" in verbs else []), *map(str, verbs)]
    if is_mlrun:
        return f"{', '.join(names)}, and what its script defines as op_<name>"
    return ", ".join(names)
