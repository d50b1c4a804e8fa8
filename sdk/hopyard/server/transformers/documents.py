"""The way of JSON documents through a transformer: V1, and the own words of a style."""

from dataclasses import replace
from typing import Any

from hopyard.server.bodies import cloudevents, codec
from hopyard.server.bodies.headers import as_text
from hopyard.server.config import event_manners
from hopyard.server.flavors import Exchange
from hopyard.server.flavors.kserve import bodies
from hopyard.server.flavors.kserve.pipeline import Stage
from hopyard.server.http.requests import Request
from hopyard.server.replies import JSON, Reply
from hopyard.server.transformers.errands import Caller, Turn
from hopyard.server.transformers.payloads import Payloads
from hopyard.server.transformers.transformer import Handlers
from hopyard.server.transformers.ways import Answer, Opened, Question, is_whole, request_of


class Documents:
    """Asks one exchange of the predictor with what `preprocess` made of a request."""

    def __init__(self, exchange: Exchange, *, handlers: Handlers, payloads: Payloads, model: str) -> None:
        self._exchange = exchange
        self._handlers = handlers
        self._payloads = payloads
        self._model = model
        self._manners = event_manners()

    def decode(self, request: Request) -> Opened:
        """Read the document, where a handler needs it, and the event it came in. Raises Problem 400."""
        transformer = self._handlers.transformer
        if transformer.is_kserve and transformer.preprocess is not None:
            value, event = bodies.read(request)
            return Opened(request, value, event)
        event = cloudevents.unwrap(request.headers, request.body)
        if transformer.preprocess is None:
            return Opened(request, None if event is None else event.data, event)
        value = codec.parse(request.body) if event is None else event.data
        if not isinstance(value, dict):
            raise codec.BadBody('The body is no object; send one such as {"instances": [...]}.')
        return Opened(request, value, event)

    async def before(self, opened: Opened, caller: Caller) -> Question:
        """Return what the predictor is asked: the request itself where there is nothing to change."""
        request: Request = opened.asked
        stage = self._handlers.transformer.preprocess
        if stage is None:
            if opened.event is not None:
                body = opened.value if isinstance(opened.value, bytes) else codec.dumps(opened.value)
                request = request_of(request, body, headers=request.headers)
            return self._exchange, request
        turn = _turn(stage, request, caller)

        def finish(value: Any) -> Question:
            return self._payloads.question(value, request, headers=request.headers, exchange=self._exchange)

        question: Question = await self._handlers.call(stage, opened.value, turn=turn, finish=finish)
        return question

    async def after(self, answer: Answer, opened: Opened, caller: Caller) -> bytes | Reply:
        """Return what the caller gets."""
        stage = self._handlers.transformer.postprocess
        told: bytes | Reply
        if not is_whole(answer) and isinstance(answer, Reply):
            return answer
        if stage is not None:
            told = await self._postprocessed(stage, answer, opened, caller)
        elif isinstance(answer, bytes | Reply):
            told = answer
        else:
            told = self._payloads.document(answer)
        if opened.event is not None:
            body = told if isinstance(told, bytes) else told.body
            return cloudevents.wrap(body, opened.event, self._model, self._manners)
        return told

    async def _postprocessed(
        self, stage: Stage, answer: Answer, opened: Opened, caller: Caller
    ) -> bytes | Reply:
        reply = answer if isinstance(answer, Reply) else None
        value: Any
        if not isinstance(answer, bytes | Reply):
            value = self._payloads.infer_response(answer)
        elif reply is None or reply.content_type == JSON:
            value = codec.parse(answer if reply is None else reply.body)  # type: ignore[arg-type]
        elif self._handlers.transformer.is_kserve:
            value = reply.body
        else:
            return reply
        turn = _turn(stage, opened.asked, caller)
        written: bytes | Reply = await self._handlers.call(
            stage, value, turn=turn, finish=self._payloads.written
        )
        if reply is not None and isinstance(written, bytes):
            written = replace(reply, body=written, content_type=JSON)
        return bodies.with_headers(written, turn.response_headers) if turn.response_headers else written


def _turn(stage: Stage, request: Request, caller: Caller) -> Turn:
    return Turn(caller, as_text(request.headers) if stage.reads_headers else {})
