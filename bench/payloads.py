"""Requests of every protocol the benchmark speaks, and the numbers in their answers. Pure functions."""

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

IMAGE = (3, 224, 224)
Rows = list[Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request and the answers that are right for it."""

    path: str
    headers: dict[str, str]
    body: bytes
    answers: list[float]

    def on_the_wire(self, port: int, *, trace: int = 0) -> bytes:
        """The whole HTTP request; with `trace`, it names itself as the clients of a traced system do."""
        headers = {"Host": f"127.0.0.1:{port}", **self.headers, "Content-Length": str(len(self.body))}
        if trace:
            headers["traceparent"] = f"00-{trace:032x}-{trace:016x}-01"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + self.body


def question(api: str, model: str, rows: Rows, answers: list[float]) -> Question:
    """`api` is v1, v2, v2-binary, mlrun or bentoml."""
    if api in ("v1", "bentoml"):
        path = "/predict" if api == "bentoml" else f"/v1/models/{model}:predict"
        body = json.dumps({"instances": rows}).encode()
        return Question(path, {"Content-Type": "application/json"}, body, answers)
    path = f"/v2/models/{model}/infer"
    if api == "mlrun":
        return Question(
            path, {"Content-Type": "application/json"}, json.dumps({"inputs": rows}).encode(), answers
        )
    values = list(flat(rows))
    tensor = {"name": "input-0", "shape": shape_of(model, rows), "datatype": datatype_of(model)}
    if api == "v2":
        body = json.dumps({"inputs": [tensor | {"data": values}]}).encode()
        return Question(path, {"Content-Type": "application/json"}, body, answers)
    raw = raw_content(model, values)
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return Question(path, headers, head + raw, answers)


def is_right(asked: Question, status: int, body: bytes) -> bool:
    if status != 200:
        return False
    try:
        values = list(flat(_predictions(json.loads(body))))
        return same(values, asked.answers)
    except (ValueError, KeyError, TypeError, IndexError):
        return False


def same(values: list[Any], answers: list[float]) -> bool:
    close = (abs(float(value) - answer) < 1e-3 for value, answer in zip(values, answers, strict=False))
    return len(values) == len(answers) and all(close)


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def shape_of(model: str, rows: Rows) -> list[int]:
    return [len(rows), *(IMAGE if model == "m3" else (len(rows[0]),))]


def datatype_of(model: str) -> str:
    return "FP32" if model == "m3" else "FP64"


def raw_content(model: str, values: list[float]) -> bytes:
    return array("f" if model == "m3" else "d", values).tobytes()


def _predictions(document: Any) -> Any:
    if isinstance(document, list):
        return document
    if "predictions" in document:
        return document["predictions"]
    outputs = document["outputs"]
    return outputs[0]["data"] if isinstance(outputs[0], dict) else outputs
