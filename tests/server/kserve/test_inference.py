"""V2: what handlers get of a tensor request, and what their values become."""

from collections.abc import Callable
from typing import Any

import kserve
import numpy as np
import pytest
from kserve.utils import utils

from hopyard.server.bodies.tensors import BadTensor, RequestedOutput, Tensor, TensorRequest, TensorResponse
from hopyard.server.replies import Problem

from .asking import Asking, tensors

RAW = np.array([1.5, 2.5], "<f4").tobytes()


class Does(kserve.Model):
    """Predicts with a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__("m")
        self.ready = True
        self.function = function

    def predict(self, payload, headers):
        return self.function(payload)


def got(asking: Asking, asked: TensorRequest) -> kserve.InferRequest:
    """The request that a handler was called with."""
    seen = []

    def predict(payload: Any) -> list[int]:
        seen.append(payload)
        return [1]

    asking.infer(Does(predict), asked)
    return seen[0]


def test_json_tensors_are_lists_as_they_were_sent(asking: Asking) -> None:
    request = got(asking, tensors(Tensor("a", "FP32", [1, 2], data=[[1.5, 2.5]])))
    tensor = request.inputs[0]
    assert (tensor.data, tensor.parameters, tensor.shape) == ([[1.5, 2.5]], {}, [1, 2])
    assert tensor.as_numpy().dtype == np.float32
    assert (request.id, request.from_grpc, request.parameters) == (None, False, None)
    assert request.get_input_by_name("a") is tensor
    assert request.get_input_by_name("b") is None


def test_raw_tensors_over_rest_are_a_flat_list_too(asking: Asking) -> None:
    tensor = got(asking, tensors(Tensor("a", "FP32", [2], raw=memoryview(RAW)), is_raw=True)).inputs[0]
    assert tensor.as_numpy().flags.writeable is False
    assert tensor.data == [1.5, 2.5]
    words = Tensor("w", "BYTES", [2], raw=b"\x01\0\0\0a\x01\0\0\0\xff")
    assert got(asking, tensors(words, is_raw=True)).inputs[0].data == ["a", b"\xff"]


def test_raw_tensors_over_grpc_are_empty_lists_and_arrays(asking: Asking) -> None:
    asked = tensors(Tensor("a", "FP32", [2], raw=RAW), is_raw=True, from_grpc=True)
    request = got(asking, asked)
    assert request.inputs[0].data == []
    assert request.inputs[0].as_numpy().tolist() == [1.5, 2.5]
    assert (request.id, request.from_grpc, request.use_binary_outputs) == ("", True, True)


def test_what_the_caller_asks_for_is_there(asking: Asking) -> None:
    asked = tensors(
        Tensor("a", "INT8", [1], data=[1], parameters={"p": 1}),
        id="id-1",
        parameters={"binary_data_output": True},
        outputs=[RequestedOutput("o", {"binary_data": True})],
        headers={"x-mark": "1"},
    )
    request = got(asking, asked)
    assert (request.id, request.use_binary_outputs) == ("id-1", True)
    assert request.inputs[0].parameters == {"p": 1}
    assert request.request_outputs == [kserve.RequestedOutput("o", {"binary_data": True})]
    assert request.request_outputs[0].binary_data is True


def test_headers_reach_handlers_that_read_them(asking: Asking) -> None:
    class Reads(Does):
        def predict(self, payload, headers):
            return [len(headers["x-mark"])]

    response = asking.infer(Reads(len), tensors(headers={"x-mark": "four"}))
    assert response.outputs[0].as_list() == [4]


def test_wrong_tensors_are_invalid_input(asking: Asking) -> None:
    def as_numpy(request: kserve.InferRequest) -> Any:
        return request.inputs[0].as_numpy()

    for tensor in (Tensor("a", "FP32", [2, 4], data=[1.0]), Tensor("a", "NONE", [1], data=[1])):
        model = asking.model(Does(as_numpy))
        assert model.tensors is not None
        with pytest.raises((kserve.errors.InvalidInput, BadTensor)) as caught:
            asking.exchange(model.tensors, tensors(tensor))
        assert model.problem(caught.value).status == 400  # type: ignore[union-attr]


def only(response: TensorResponse) -> tuple[str, str, list[int], list[Any]]:
    assert len(response.outputs) == 1
    output = response.outputs[0]
    return output.name, output.datatype, list(output.shape), output.as_list()


RAW_OUTPUT = kserve.InferOutput("o", [2], "FP32")
RAW_OUTPUT.set_data_from_numpy(np.array([1.5, 2.5], "f4"))
OUTPUT = {"name": "o", "shape": [2], "datatype": "FP32"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (kserve.InferResponse("i", "m", [kserve.InferOutput("o", [2], "fp32", [1.5, 2.5])]), ("o", "FP32")),
        (
            kserve.InferResponse("i", "m", [kserve.InferOutput("o", [1, 2], "FP32", [[1.5, 2.5]])]),
            ("o", "FP32"),
        ),
        (
            kserve.InferResponse("i", "m", [kserve.InferOutput("o", [2], "FP32", np.array([1.5, 2.5]))]),
            ("o", "FP32"),
        ),
        (kserve.InferResponse("i", "m", [RAW_OUTPUT]), ("o", "FP32")),
        ({"outputs": [{**OUTPUT, "data": [1.5, 2.5]}]}, ("o", "FP32")),
        ({"outputs": [{**OUTPUT, "data": np.array([1.5, 2.5])}]}, ("o", "FP32")),
        ({"outputs": [{**OUTPUT, "contents": {"fp32_contents": [1.5, 2.5]}}]}, ("o", "FP32")),
        ({"outputs": [{"name": "o", "data": [1.5, 2.5]}]}, ("o", "FP64")),
        ({"predictions": [1.5, 2.5]}, ("output-0", "FP64")),
        ([1.5, 2.5], ("output-0", "FP64")),
        (np.array([1.5, 2.5], "f4"), ("output-0", "FP32")),
    ],
)
def test_answers_of_every_shape_become_tensors(asking: Asking, value: Any, expected: tuple[str, str]) -> None:
    response = asking.infer(Does(lambda _: value), tensors())
    name, datatype, _, values = only(response)
    assert ((name, datatype), values) == (expected, [1.5, 2.5])
    assert response.model_name == "m"


@pytest.mark.parametrize("given", [None, ""])
def test_a_missing_id_is_made_up(asking: Asking, given: str | None) -> None:
    value = kserve.InferResponse(given, "m", [])
    assert asking.infer(Does(lambda _: value), tensors()).id == "r-1"
    assert asking.infer(Does(lambda _: value), tensors(id="id-7")).id == "id-7"
    assert asking.infer(Does(lambda _: {"id": "own", "outputs": []}), tensors(id="id-7")).id == "own"


@pytest.mark.parametrize(
    "value",
    [
        None,
        iter([1]),
        {"outputs": [{"shape": [1]}]},
        {"outputs": [{"name": "o", "shape": [1], "datatype": "FP32"}]},
    ],
)
def test_answers_that_are_no_tensors_say_what_to_return(asking: Asking, value: Any) -> None:
    with pytest.raises(Problem, match="return an InferResponse") as caught:
        asking.infer(Does(lambda _: value), tensors())
    assert caught.value.status == 500


def test_the_helpers_serve_both_protocols(asking: Asking) -> None:
    def predict(payload: Any) -> Any:
        return utils.get_predict_response(payload, utils.get_predict_input(payload) * 2, "m")

    asked = tensors(Tensor("a", "FP32", [2], data=[1.5, 2.5]), id="id-1")
    response = asking.infer(Does(predict), asked)
    assert only(response) == ("output-0", "FP32", [2], [3.0, 5.0])
    assert response.id == "id-1"
    assert asking.predict(Does(predict), {"instances": [[1, 2]]}) == b'{"predictions":[[2,4]]}'


def test_a_mixed_pipeline_answers_tensors(asking: Asking) -> None:
    class Mixed(Does):
        async def preprocess(self, payload, headers):
            return payload.inputs[0].as_numpy()

    response = asking.infer(Mixed(lambda array: array + 1), tensors(Tensor("a", "INT64", [2], data=[1, 2])))
    assert only(response) == ("output-0", "INT64", [2], [2, 3])


def test_messages_are_answers_too(asking: Asking) -> None:
    typed = kserve.InferResponse("i", "m", [kserve.InferOutput("o", [2], "FP32", [1.5, 2.5])]).to_grpc()
    raw = kserve.InferResponse("i", "m", [RAW_OUTPUT]).to_grpc()
    for value in (typed, raw):
        response = asking.infer(Does(lambda _, value=value: value), tensors())
        assert only(response) == ("o", "FP32", [2], [1.5, 2.5])
        assert response.outputs[0].parameters == {}
