"""The loaded models described as OpenAPI, and a page that shows it without anything from elsewhere."""

import html
import json
from typing import Any

from hopyard.server.dataplane import DataPlane
from hopyard.server.hosted import Hosted

HEADERS = b"content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
_ERROR = {"$ref": "#/components/schemas/Error"}
_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.8rem;border:1px solid color-mix(in srgb,currentColor 20%,transparent);border-radius:.4rem}
.method{display:inline-block;min-width:3.2rem;font-weight:600}
details{border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent);padding:.5rem 0}
summary{cursor:pointer;overflow-wrap:anywhere}
"""


def openapi(dataplane: DataPlane, version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of what is served now."""
    paths: dict[str, Any] = {}
    for hosted in dataplane.hosted.values():
        paths |= _paths(hosted)
    paths |= {
        "/v2/health/live": {"get": _operation("Is the server alive?", "health")},
        "/v2/health/ready": {"get": _operation("Can predictions be made, and if not, why?", "health", 503)},
        "/v2/models": {"get": _operation("The names of the models", "health")},
        "/metrics": {"get": _operation("Prometheus metrics", "health")},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Hopyard: {', '.join(dataplane.names) or dataplane.name}", "version": version},
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }


def page(dataplane: DataPlane, version: str) -> bytes:
    """Return the document as a page to read: every URL with what it takes and an example for curl."""
    document = openapi(dataplane, version)
    title = html.escape(document["info"]["title"])
    parts = [f"<h1>{title}</h1><p>As a document: <a href='/openapi.json'>openapi.json</a></p>"]
    heading = ""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if told["tags"][0] != heading:
                heading = told["tags"][0]
                parts.append(f"<h2>{html.escape(heading)}</h2>")
            parts.append(_entry(path, method, told))
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{title}</title>"
    body = "".join(parts)
    return f"<!doctype html><html lang=en>{head}<style>{_STYLE}</style><body>{body}</body></html>".encode()


def _paths(hosted: Hosted) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    metadata = hosted.metadata()
    for verb in hosted.verbs:
        paths[f"/v1/models/{hosted.name}:{verb}"] = {
            "post": _operation(
                f"{verb.capitalize()}, V1", hosted.key, 400, 500, 503, body="V1Request", reply="V1Response"
            )
        }
    if hosted.tensors:
        inputs = ", ".join(f"{each['name']} {each['datatype']}{each['shape']}" for each in metadata["inputs"])
        about = "Infer, V2 (Open Inference Protocol; JSON or binary tensors)" + (
            f": {inputs}" if inputs else ""
        )
        paths[f"/v2/models/{hosted.name}/infer"] = {
            "post": _operation(about, hosted.key, 400, 422, 500, 503, body="V2Request", reply="V2Response")
        }
    for operation in hosted.operations:
        path = f"/v2/models/{hosted.name}/{operation}".rstrip("/")
        if operation != "*" and path not in paths:
            method = "get" if operation in ("", "ready") else "post"
            about = "Describe the model" if operation == "" else operation.capitalize()
            body = None if method == "get" else "V2Rows"
            paths[path] = {method: _operation(about, hosted.key, 400, body=body)}
    paths.setdefault(f"/v2/models/{hosted.name}", {"get": _operation("Describe the model", hosted.key)})
    paths.setdefault(f"/v2/models/{hosted.name}/ready", {"get": _operation("Is it ready?", hosted.key, 503)})
    return paths


def _operation(
    about: str, tag: str, *errors: int, body: str | None = None, reply: str | None = None
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "OK"}}
    if reply:
        responses["200"]["content"] = _json(reply)
    for status in errors:
        responses[str(status)] = {
            "description": "See `error`",
            "content": {"application/json": {"schema": _ERROR}},
        }
    operation: dict[str, Any] = {"summary": about, "tags": [tag], "responses": responses}
    if body:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return operation


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _entry(path: str, method: str, told: dict[str, Any]) -> str:
    schema = ""
    if "requestBody" in told:
        schema = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    example = json.dumps(_SCHEMAS[schema]["examples"][0]) if schema else ""
    data = f" \\\n  -H 'Content-Type: application/json' -d '{example}'" if example else ""
    curl = html.escape(f"curl -X {method.upper()} http://localhost:8080{path}{data}")
    statuses = ", ".join(told["responses"])
    return (
        f"<details><summary><span class=method>{method.upper()}</span> <code>{html.escape(path)}</code> "
        f"{html.escape(told['summary'])}</summary><pre>{curl}</pre><p>Answers: {statuses}</p></details>"
    )


_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array"},
        "parameters": {"type": ["object", "null"]},
    },
}
_SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "string", "description": "What happened and what to do"},
            "code": {"type": "string", "description": "One word for programs"},
            "request_id": {"type": "string"},
        },
    },
    "V1Request": {
        "type": "object",
        "properties": {"instances": {"type": "array"}, "inputs": {"type": "array"}},
        "examples": [{"instances": [[5.1, 3.5, 1.4, 0.2]]}],
    },
    "V1Response": {"type": "object", "properties": {"predictions": {}}},
    "V2Rows": {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array"}, "id": {"type": "string"}},
        "examples": [{"inputs": [[5.1, 3.5, 1.4, 0.2]]}],
    },
    "V2Request": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": _TENSOR},
            "outputs": {"type": "array"},
        },
        "examples": [
            {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
        ],
    },
    "V2Response": {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": _TENSOR},
        },
    },
}
