"""Rows of several requests in one predict: which models allow it, and that nobody can tell."""

from typing import Any

import kserve
import numpy as np
import pytest

from hopyard.server.batcher import Batch
from hopyard.server.bodies.tensors import Tensor, TensorResponse
from hopyard.server.flavors import Alone, Exchange
from hopyard.server.timings import Times

from .asking import Asking, loaded, request, tensors


class Doubles(kserve.Model):
    def __init__(self, **settings: Any) -> None:
        super().__init__("m", **settings)
        self.ready = True
        self.calls = 0

    def predict(self, payload, headers=None):
        self.calls += 1
        if isinstance(payload, kserve.InferRequest):
            array = payload.inputs[0].as_numpy() * 2
            output = kserve.InferOutput("o", list(array.shape), payload.inputs[0].datatype, array)
            return kserve.InferResponse("made-up", payload.model_name, [output])
        return {"predictions": [row * 2 for row in payload["instances"]]}


class ReadsHeaders(Doubles):
    def predict(self, payload, headers=None):
        return {"predictions": [headers] * len(payload["instances"])}


class PassesHeadersOn(Doubles):
    def predict(self, payload, headers=None):
        return super().predict(payload, headers)


class LooksAround(Doubles):
    def predict(self, payload, headers=None):
        return {"predictions": list(locals())}


class Enclosed(Doubles):
    def predict(self, payload, headers=None):
        def each(row):
            return headers

        return {"predictions": list(map(each, payload["instances"]))}


class Preprocesses(Doubles):
    def preprocess(self, payload, headers=None):
        return payload


class IsAsync(Doubles):
    async def predict(self, payload, headers=None):
        return payload


def test_a_plain_predict_may_be_joined(asking: Asking) -> None:
    model = asking.model(Doubles())
    assert model.verbs["predict"].operation.is_rowwise
    assert model.tensors is not None
    assert model.tensors.operation.is_rowwise


@pytest.mark.parametrize(
    "kind", [ReadsHeaders, PassesHeadersOn, LooksAround, Enclosed, Preprocesses, IsAsync]
)
def test_others_may_not(asking: Asking, kind: type) -> None:
    assert not asking.model(kind()).verbs["predict"].operation.is_rowwise


def test_a_model_with_response_headers_may_not(asking: Asking) -> None:
    class Answers(Doubles):
        def predict(self, payload, headers, response_headers):
            return {}

    assert not asking.model(Answers(return_response_headers=True)).verbs["predict"].operation.is_rowwise


class Job:
    abandoned = timed = False
    times: Times | None = None
    size = 1

    def __init__(self, payload: Any) -> None:
        self.payload = payload


def together(exchange: Exchange, *asked: Any) -> list[Any]:
    """The answers of a batch, as the batcher makes one. Fails if it could not be cut."""
    batch = Batch([Job(exchange.decode(each)) for each in asked])  # type: ignore[arg-type]
    parts = batch.cut(exchange.operation.run(batch.payload))
    assert parts is not None
    return [exchange.encode(part, each) for part, each in zip(parts, asked, strict=True)]


def test_joined_rows_are_answered_as_they_are_alone(asking: Asking) -> None:
    instance = Doubles()
    exchange = asking.model(instance).verbs["predict"]
    asked = [request({"instances": rows}) for rows in ([1], [2, 3], [4])]
    alone = [asking.exchange(exchange, each) for each in asked]
    instance.calls = 0
    assert asking.run(lambda: together(exchange, *asked)) == alone
    assert alone[1] == b'{"predictions":[4,6]}'
    assert instance.calls == 1


@pytest.mark.parametrize("body", [{"inputs": [1]}, {"instances": [1], "more": 2}, {"instances": []}, [1], 7])
def test_bodies_with_more_than_rows_stay_alone(asking: Asking, body: Any) -> None:
    exchange = asking.model(Doubles()).verbs["predict"]
    assert type(asking.run(lambda: exchange.decode(request(body)))) is Alone


@pytest.mark.parametrize(
    "answer",
    [{"predictions": [1]}, {"predictions": [1, 2, 3], "more": 1}, {"predictions": {"a": 1}}, [1, 2, 3], None],
)
def test_an_answer_that_is_not_one_per_row_is_whole(asking: Asking, answer: Any) -> None:
    class Answers(Doubles):
        def predict(self, payload, headers=None):
            return answer

    exchange = asking.model(Answers()).verbs["predict"]
    asked = [request({"instances": rows}) for rows in ([1], [2, 3])]

    def cut() -> Any:
        batch = Batch([Job(exchange.decode(each)) for each in asked])  # type: ignore[arg-type]
        return batch.cut(exchange.operation.run(batch.payload))

    assert asking.run(cut) is None
    assert loaded(asking.exchange(exchange, asked[1])) == answer


def rows(*values: float, **settings: Any) -> Any:
    return tensors(Tensor("a", "FP32", [len(values), 1], data=[[v] for v in values]), **settings)


def values(response: TensorResponse) -> tuple[str, str, list[int], list[Any]]:
    output = response.outputs[0]
    return response.id, output.datatype, list(output.shape), output.as_list()


def test_joined_tensors_are_answered_as_they_are_alone(asking: Asking) -> None:
    instance = Doubles()
    exchange = asking.model(instance).tensors
    assert exchange is not None
    asked = [rows(1.5, id="one"), rows(2.5, 3.5, id="two")]
    answered = asking.run(lambda: together(exchange, *asked))
    assert instance.calls == 1
    assert [values(each) for each in answered] == [
        ("one", "FP32", [1, 1], [3.0]),
        ("two", "FP32", [2, 1], [5.0, 7.0]),
    ]
    assert values(asking.exchange(exchange, asked[1]))[1:] == values(answered[1])[1:]


def test_tensors_of_other_names_types_or_carriers_are_of_other_kinds(asking: Asking) -> None:
    exchange = asking.model(Doubles()).tensors
    assert exchange is not None
    asked = [
        rows(1.0),
        rows(1.0, from_grpc=True),
        tensors(Tensor("b", "FP32", [1, 1], data=[[1.0]])),
        tensors(Tensor("a", "FP64", [1, 1], data=[[1.0]])),
        tensors(Tensor("a", "FP32", [1, 2], data=[[1.0, 2.0]])),
    ]
    kinds = {(each.dtype, each.shape[1:]) for each in asking.run(lambda: [exchange.decode(e) for e in asked])}
    assert len(kinds) == len(asked)


def test_tensor_requests_that_say_more_stay_alone(asking: Asking) -> None:
    exchange = asking.model(Doubles()).tensors
    assert exchange is not None
    tensor = Tensor("a", "FP32", [1], data=[1.0])
    for asked in (
        tensors(tensor, tensor),
        tensors(tensor, parameters={"threshold": 1}),
        tensors(Tensor("a", "FP32", [1], data=[1.0], parameters={"p": 1})),
        tensors(Tensor("a", "FP32", [], data=[1.0])),
        tensors(),
    ):
        assert type(asking.run(lambda asked=asked: exchange.decode(asked))) is Alone


def test_rows_of_tensors_can_be_taken_apart_to_be_compared(asking: Asking) -> None:
    exchange = asking.model(Doubles()).tensors
    assert exchange is not None
    payload = asking.run(lambda: exchange.decode(rows(1.0, 2.0)))
    one = exchange.operation.run(payload[1:2])
    whole = exchange.operation.run(payload)
    assert np.array_equal(one.tolist().outputs[0].as_array(), whole[1:2].outputs[0].as_array())
