"""The loaded models described as OpenAPI 3.1."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hopyard.server.dataplane import DataPlane
from hopyard.server.documentation.schemas import ROWS, SCHEMAS, tensor_example, tensors_answered
from hopyard.server.hosted import Hosted

_REASONS = {
    400: "The body is not what the model takes; `error` says what to send",
    422: "The body is not an inference request; `error` says what to send",
    500: "The model failed; `error` says how, and the log has its traceback",
    503: "Not ready; `error` or `reason` says why",
}
_VERBS = {
    "predict": "Predict rows (V1)",
    "classify": "Classify rows (V1)",
    "regress": "Regress rows (V1)",
    "explain": "Explain predictions of rows (V1)",
}
_SERVER = "The server"

log = logging.getLogger(__name__)


def openapi(dataplane: DataPlane, version: str) -> dict[str, Any]:
    """Return the document of what is served now."""
    paths: dict[str, Any] = {}
    for hosted in dataplane.hosted.values():
        paths |= _paths(hosted)
    paths |= {
        "/v2/health/live": {"get": _operation("Is the server alive?", _SERVER)},
        "/v2/health/ready": {"get": _operation("Can predictions be made, and if not, why?", _SERVER, 503)},
        "/v2/models": {"get": _operation("The names of the models", _SERVER)},
        "/v2/repository/index": {"post": _operation("The models and their states", _SERVER)},
        "/metrics": {"get": _operation("Prometheus metrics", _SERVER)},
    }
    for path, methods in paths.items():
        for method, operation in methods.items():
            operation["operationId"] = f"{method} {path}"
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Hopyard: {', '.join(dataplane.names) or dataplane.name}", "version": version},
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _paths(hosted: Hosted) -> dict[str, Any]:
    name, tag = quote(hosted.name), hosted.key
    model = f"/v2/models/{name}"
    paths: dict[str, Any] = {}
    for verb in hosted.verbs:
        about = _VERBS.get(verb, f"{verb} (V1)")
        asked = {"body": _json("V1Request", ROWS), "reply": _json("V1Response")}
        paths[f"/v1/models/{name}:{verb}"] = {"post": _operation(about, tag, 400, 500, 503, **asked)}
    if hosted.tensors:
        paths[f"{model}/infer"] = {"post": _infer(hosted)}
    for operation in hosted.operations:
        path = f"{model}/{quote(operation)}".rstrip("/")
        if operation != "*" and path not in paths:
            paths[path] = _own(operation, tag)
    paths.setdefault(model, {"get": _operation("Describe the model", tag)})
    paths.setdefault(f"{model}/ready", {"get": _operation("Is it ready?", tag, 503)})
    for change in ("load", "unload"):
        about = f"{change.capitalize()} the model{' again' if change == 'load' else ''}"
        paths[f"/v2/repository/models/{name}/{change}"] = {"post": _operation(about, tag, 503)}
    return paths


def _infer(hosted: Hosted) -> dict[str, Any]:
    inputs = _inputs(hosted)
    about = "Infer from tensors (V2, the Open Inference Protocol), in JSON or binary"
    if inputs:
        about += ": " + ", ".join(f"{name} {datatype} {shape}" for name, datatype, shape in inputs)
    asked = {
        "body": _json("V2Request", tensor_example(inputs)),
        "reply": _json("V2Response", tensors_answered(hosted.name)),
    }
    for content in asked.values():
        content["application/octet-stream"] = {}
    return _operation(about, hosted.key, 400, 422, 500, 503, **asked)


def _inputs(hosted: Hosted) -> list[tuple[str, str, list[int]]]:
    """Name, datatype and shape of the inputs the model tells of; telling is the model's own code."""
    try:
        told: list[Mapping[str, Any]] = hosted.metadata()["inputs"]
        return [
            (str(each["name"]), str(each["datatype"]), [int(size) for size in each["shape"]]) for each in told
        ]
    except Exception as error:
        log.debug("The inputs of %s are not described: %r", hosted.key, error)
        return []


def _own(operation: str, tag: str) -> dict[str, Any]:
    if operation in ("", "ready"):
        return {"get": _operation("Describe the model" if not operation else "Is it ready?", tag, 400)}
    example = {"inputs": ROWS["instances"]}
    return {"post": _operation(operation.capitalize(), tag, 400, 500, body=_json("V2Rows", example))}


def _operation(
    about: str,
    tag: str,
    *errors: int,
    body: dict[str, Any] | None = None,
    reply: dict[str, Any] | None = None,
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "The answer"}}
    if reply:
        responses["200"]["content"] = reply
    for status in errors:
        responses[str(status)] = {"description": _REASONS[status], "content": _json("Error")}
    operation: dict[str, Any] = {"summary": about, "tags": [tag], "responses": responses}
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _json(schema: str, example: Any = None) -> dict[str, Any]:
    told: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if example is not None:
        told["example"] = example
    return {"application/json": told}
