"""What handlers return, as what the predictor is asked or the caller answered; and KServe's objects for tensors."""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hopyard.server.bodies import codec
from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.bodies.v2_requests import are_tensors, read
from hopyard.server.flavors import Exchange, Model
from hopyard.server.flavors.kserve import answers, bodies
from hopyard.server.flavors.kserve.inference import Inference, listed
from hopyard.server.flavors.kserve.pipeline import Stage
from hopyard.server.http.requests import Request
from hopyard.server.transformers.transformer import Transformer, TransformerFailed
from hopyard.server.transformers.ways import Question, request_of

DOCUMENT = '{"instances": [...]}'


class Payloads:
    """Of one transformer, before one model."""

    def __init__(self, transformer: Transformer, model: Model) -> None:
        self._transformer = transformer
        self._model = model
        self._inference = Inference() if transformer.is_kserve else None

    def question(
        self,
        value: Any,
        request: Request,
        *,
        headers: Mapping[bytes, bytes],
        exchange: Exchange,
        tensors: TensorRequest | None = None,
    ) -> Question:
        """Return what the predictor is asked, `exchange` unless `preprocess` returned tensors. Raises
        TransformerFailed and Unserialisable.
        """
        if not self._transformer.is_kserve:
            if not isinstance(value, Mapping):
                raise self._unusable(
                    "preprocess", value, f"return the predictor's document, such as {DOCUMENT}"
                )
            return exchange, request_of(request, self._dumped(value, "preprocess"), headers=headers)
        self.checked(value, self._transformer.preprocess)
        if hasattr(value, "inputs") and hasattr(value, "model_name"):
            return self._of_infer_request(value, request, headers, tensors)
        if isinstance(value, str | bytes | bytearray | memoryview):
            body = value.encode() if isinstance(value, str) else bytes(value)
            kind = request.headers.get(b"content-type", b"application/octet-stream")
            return exchange, request_of(request, body, headers=headers, content_type=kind)
        made = request_of(request, self._dumped(value, "preprocess"), headers=headers)
        if self._model.tensors is not None and isinstance(value, dict) and are_tensors(value.get("inputs")):
            return self._model.tensors, read(made, self._model.name, self._model.version)
        return exchange, made

    def written(self, value: Any) -> Any:
        """Return the answer that a value of `postprocess` is, bytes of JSON or a Reply. Raises Unserialisable."""
        self.checked(value, self._transformer.postprocess)
        return bodies.write(value) if self._transformer.is_kserve else self._dumped(value, "postprocess")

    def checked(self, value: Any, stage: Stage | None) -> Any:
        """Return a value; a handler that returns nothing has forgotten to. Raises TransformerFailed."""
        if value is None and stage is not None:
            raise self._unusable(stage.label, value, "return the document")
        return value

    def document(self, response: TensorResponse) -> bytes:
        """Return tensors as the JSON that V1 answers with."""
        return codec.dumps(answers.document(self.infer_response(response)))

    def infer_request(self, asked: TensorRequest) -> Any:
        """Return the InferRequest that KServe's handlers get."""
        assert self._inference is not None
        return self._inference.request(asked)

    def infer_response(self, response: TensorResponse) -> Any:
        """Return the InferResponse that KServe's handlers get."""
        types = importlib.import_module("kserve.protocol.infer_type")
        outputs = [
            types.InferOutput(each.name, list(each.shape), each.datatype, listed(each), each.parameters)
            for each in response.outputs
        ]
        made = types.InferResponse(
            response.id, response.model_name, outputs, parameters=response.parameters or None
        )
        made.model_version = response.model_version or None
        return made

    def _of_infer_request(
        self, value: Any, request: Request, headers: Mapping[bytes, bytes], tensors: TensorRequest | None
    ) -> Question:
        if self._model.tensors is None:
            raise self._unusable("preprocess", value, f"the predictor takes no tensors, return {DOCUMENT}")
        asked = tensors or TensorRequest(
            self._model.name,
            [],
            self._model.version,
            headers={name.decode("latin-1"): text.decode("latin-1") for name, text in headers.items()},
            request_id=request.id.decode(),
        )
        inputs = [answers.tensor_of(each) for each in value.inputs]
        is_raw = any(each.raw is not None for each in inputs)
        return self._model.tensors, replace(
            asked,
            id=str(value.id or asked.id or ""),
            inputs=inputs,
            is_raw=is_raw,
            parameters=answers.plain_parameters(value.parameters),
            outputs=None,
            notes=None,
        )

    def _dumped(self, value: Any, method: str) -> bytes:
        return codec.dumps(value, place=f"{method}()")

    def _unusable(self, method: str, value: Any, hint: str) -> TransformerFailed:
        kind = "nothing" if value is None else f"a {type(value).__name__}"
        where = f"{self._transformer.kind}.{method}"
        return TransformerFailed(500, f"{where} returned {kind}; {hint}.", "AnswerInvalid")
