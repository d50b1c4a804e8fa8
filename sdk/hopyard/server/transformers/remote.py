"""The predictors of the same revision as a `Model`: every exchange is a request to one of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from hopyard.server import keys
from hopyard.server.bodies import codec
from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.config import Config
from hopyard.server.flavors import Exchange, Model, Operation
from hopyard.server.flavors.mlrun.rowwise import holds_tensors
from hopyard.server.http.requests import Request
from hopyard.server.replies import JSON, Problem, Reply
from hopyard.server.transformers import sources, wire
from hopyard.server.transformers.connections import Answered
from hopyard.server.transformers.predictors import Predictors

STYLE = "Transformer"
VERBS = ("predict", "classify", "regress", "explain")
OWN_WORDS = ("infer", "predict", "explain")
_NOT_OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"content-type",
        b"date",
        b"inference-header-content-length",
        b"keep-alive",
        b"retry-after",
        b"server",
        b"transfer-encoding",
        b"x-hopyard-replica",
        b"x-request-id",
    }
)


def model(settings: Config) -> Model:
    """Return the model that the predictors have under this server's name."""
    predictors = Predictors(sources.of(settings), keys.of(settings))
    name = settings.model_name
    operations = {word: _documents(predictors, f"/v2/models/{name}/{word}") for word in OWN_WORDS}
    return Model(
        name=name,
        style=STYLE,
        version=settings.model_version,
        verbs={verb: _documents(predictors, f"/v1/models/{name}:{verb}") for verb in VERBS},
        operations={**operations, "": _documents(predictors, f"/v2/models/{name}", method=b"GET")},
        tensors=_tensors(predictors, f"/v2/models/{name}/infer"),
        accepts_tensors=holds_tensors,
        trouble=predictors.trouble,
    )


def _documents(predictors: Predictors, path: str, *, method: bytes = b"POST") -> Exchange:
    target = path.encode()

    async def run(request: Request) -> bytes | Reply:
        head = wire.Head(method, target, request.id, request.key_id, predictors.token)
        answer = await predictors.ask(wire.request(head, request.headers, request.body))
        if answer.status >= 400:
            raise _problem(answer, await _body(answer))
        kind, headers = answer.headers.get(b"content-type"), _lines(answer.headers)
        if answer.stream is not None:
            return Reply(status=answer.status, content_type=kind, headers=headers, stream=answer.stream)
        if kind == JSON and not headers and answer.status == 200:
            return answer.body
        return Reply(answer.body, answer.status, JSON if kind == JSON else kind, headers)

    return Exchange(Operation(run, is_async=True), lambda request: request, lambda value, asked: value)


def _tensors(predictors: Predictors, path: str) -> Exchange:
    target = path.encode()

    async def run(asked: TensorRequest) -> TensorResponse:
        head = wire.Head(b"POST", target, asked.request_id.encode(), asked.key_id, predictors.token)
        headers, body = wire.written(asked)
        answer = await predictors.ask(wire.request(head, headers, body))
        whole = await _body(answer)
        if answer.status >= 400:
            raise _problem(answer, whole)
        return wire.response(answer.headers, whole)

    return Exchange(Operation(run, is_async=True), lambda asked: asked, lambda value, asked: value)


async def _body(answer: Answered) -> bytes:
    if answer.stream is None:
        return answer.body
    return b"".join([piece async for piece in answer.stream])


class PredictorFailed(Problem):
    """The predictor answered with an error."""


def _problem(answer: Answered, body: bytes) -> PredictorFailed:
    """The predictor's own error: status and body go to a caller over HTTP as they came, its words to others."""
    try:
        document: Any = codec.parse(body)
    except codec.BadBody:
        document = None
    told: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
    sentence = str(told.get("error") or told.get("detail") or body[:2000].decode(errors="replace"))
    reply = Reply(body, answer.status, answer.headers.get(b"content-type"), _lines(answer.headers))
    return PredictorFailed(answer.status, sentence, str(told.get("code") or "PredictFailed"), reply=reply)


def _lines(headers: Mapping[bytes, bytes]) -> bytes:
    kept: Iterable[tuple[bytes, bytes]] = (each for each in headers.items() if each[0] not in _NOT_OURS)
    return b"".join([b"%b: %b\r\n" % each for each in kept])
