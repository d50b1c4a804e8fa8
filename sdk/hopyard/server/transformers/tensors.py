"""The way of tensors through a transformer: rows in a document, or KServe's requests and responses."""

from typing import Any

from hopyard.server.bodies import codec, rows
from hopyard.server.bodies.tensors import BadTensor, TensorRequest, TensorResponse
from hopyard.server.flavors import Alone, Exchange
from hopyard.server.flavors.kserve import answers
from hopyard.server.flavors.kserve.pipeline import Stage
from hopyard.server.http.requests import NOBODY, Request
from hopyard.server.replies import Problem, Reply
from hopyard.server.transformers.errands import Caller, Turn
from hopyard.server.transformers.payloads import Payloads
from hopyard.server.transformers.transformer import Handlers
from hopyard.server.transformers.ways import Answer, Opened, Question, is_whole


class Tensors:
    """Asks the predictor with what `preprocess` made of tensors: the exchange of `rows` where it is a document."""

    def __init__(self, tensors: Exchange, rows: Exchange, *, handlers: Handlers, payloads: Payloads) -> None:
        self._tensors = tensors
        self._rows = rows
        self._handlers = handlers
        self._payloads = payloads

    def decode(self, asked: TensorRequest) -> Opened:
        """Return the payload as the handler gets it. Raises BadTensor."""
        transformer = self._handlers.transformer
        if transformer.preprocess is None:
            return Opened(asked, None)
        if transformer.is_kserve:
            return Opened(asked, self._payloads.infer_request(asked))
        return Opened(asked, {"instances": rows_of(asked)})

    async def before(self, opened: Opened, caller: Caller) -> Question:
        """Return what the predictor is asked: the tensors themselves where there is nothing to change."""
        asked: TensorRequest = opened.asked
        stage = self._handlers.transformer.preprocess
        if stage is None:
            return self._tensors, asked

        def finish(value: Any) -> Question:
            headers = {name.encode(): text.encode("latin-1") for name, text in asked.headers.items()}
            return self._payloads.question(
                value, _as_request(asked), headers=headers, exchange=self._rows, tensors=asked
            )

        turn = _turn(stage, asked, caller)
        question: Question = await self._handlers.call(stage, opened.value, turn=turn, finish=finish)
        return question

    async def after(self, answer: Answer, opened: Opened, caller: Caller) -> TensorResponse:
        """Return what the caller gets. Raises Problem for an answer that no tensors can be made of."""
        asked: TensorRequest = opened.asked
        value = answer if isinstance(answer, TensorResponse) else await _document(answer)
        stage = self._handlers.transformer.postprocess
        if stage is None:
            return answers.response_of(value, asked)
        if isinstance(value, TensorResponse):
            value = self._given(value)
        turn = _turn(stage, asked, caller)

        def finish(value: Any) -> TensorResponse:
            return answers.response_of(self._payloads.checked(value, stage), asked)

        response: TensorResponse = await self._handlers.call(stage, value, turn=turn, finish=finish)
        if turn.response_headers:
            response.headers = {**response.headers, **turn.response_headers}
        return response

    def _given(self, response: TensorResponse) -> Any:
        if self._handlers.transformer.is_kserve:
            return self._payloads.infer_response(response)
        outputs = {each.name: _readable(each.as_array().tolist()) for each in response.outputs}
        return {"predictions": next(iter(outputs.values())) if len(outputs) == 1 else outputs}


def rows_of(asked: TensorRequest) -> list[Any]:
    """Return one row for each of the first axis; of several inputs, an object with a value by each name."""
    payload = rows.rows_of(asked)
    if hasattr(payload, "columns"):
        records: list[Any] = payload.to_dict(orient="records")
        return records
    if not isinstance(payload, Alone):
        listed: list[Any] = _readable(payload.tolist())
        return listed
    columns = {name: _readable(array.tolist()) for name, array in payload.payload.items()}
    if len({len(column) if isinstance(column, list) else -1 for column in columns.values()}) > 1:
        names = ", ".join(columns)
        raise BadTensor(f"The inputs {names} have different numbers of rows; send as many of each.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


async def _document(answer: bytes | Reply) -> Any:
    if isinstance(answer, bytes):
        return codec.parse(answer)
    if answer.stream is not None:
        close = getattr(answer.stream, "aclose", None)
        if close is not None:
            await close()
        return answer.stream
    if not is_whole(answer):
        raise Problem(answer.status, answer.body.decode(errors="replace")[:2000], reply=answer)
    return codec.parse(answer.body)


def _as_request(asked: TensorRequest) -> Request:
    made = Request(NOBODY, {})
    made.target, made.id = f"/v2/models/{asked.model_name}/infer".encode(), asked.request_id.encode()
    return made


def _turn(stage: Stage, asked: TensorRequest, caller: Caller) -> Turn:
    return Turn(caller, dict(asked.headers) if stage.reads_headers else {})


def _readable(values: Any) -> Any:
    """Text as str where it came as bytes, as JSON has no other."""
    if isinstance(values, list):
        return (
            [_readable(each) for each in values] if values and isinstance(values[0], list | bytes) else values
        )
    return values.decode(errors="replace") if isinstance(values, bytes) else values
