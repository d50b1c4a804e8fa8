"""`InferRequest` and its siblings as scripts construct, read and convert them."""

import json

import kserve
import numpy as np
import pandas as pd
import pytest
from kserve import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput, errors
from kserve.protocol.infer_type import deserialize_bytes_tensor, serialize_byte_tensor
from kserve.utils.utils import get_predict_input, get_predict_response, strtobool


def test_datatypes_are_upper_case_and_arrays_have_the_shape() -> None:
    tensor = InferInput("a", [2, 2], "fp32", [1, 2, 3, 4])
    assert tensor.datatype == "FP32"
    assert tensor.as_numpy().tolist() == [[1, 2], [3, 4]]
    assert tensor.as_numpy().dtype == np.float32


@pytest.mark.parametrize("datatype", ["BF16", "STRING"])
def test_datatypes_without_an_array_are_invalid(datatype: str) -> None:
    with pytest.raises(errors.InvalidInput):
        InferInput("a", [1], datatype, [1]).as_numpy()


def test_a_wrong_size_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="do not fill the shape"):
        InferInput("a", [3], "FP32", [1]).as_numpy()


def test_strings_are_decoded() -> None:
    assert InferInput("a", [1, 2], "BYTES", [[b"x", b"y"]]).as_string() == [["x", "y"]]


def test_arrays_are_taken_if_they_fit() -> None:
    tensor = InferInput("a", [2], "FP32")
    tensor.set_data_from_numpy(np.ones(2, "f4"))
    assert tensor.parameters == {"binary_data_size": 8}
    assert tensor.as_numpy().tolist() == [1.0, 1.0]
    tensor.set_data_from_numpy(np.zeros(2, "f4"), binary_data=False)
    assert (tensor.data, tensor.parameters) == ([0.0, 0.0], {})
    for wrong in (np.ones(2), np.ones(3, "f4"), [1.0, 1.0]):
        with pytest.raises(errors.InferenceError):
            tensor.set_data_from_numpy(wrong)


def test_words_are_taken_as_text_or_raw() -> None:
    words = np.array(["ab", "c"], dtype=object)
    output = InferOutput("o", [2], "BYTES")
    output.set_data_from_numpy(words, binary_data=False)
    assert output.data == ["ab", "c"]
    output.set_data_from_numpy(words)
    assert output.as_numpy().tolist() == [b"ab", b"c"]
    with pytest.raises(errors.InferenceError):
        InferOutput("o", [1], "BYTES").set_data_from_numpy(
            np.array([b"\xff"], dtype=object), binary_data=False
        )


def test_bytes_tensors_go_there_and_back() -> None:
    serialized = serialize_byte_tensor(np.array([b"ab", "c"], dtype=object))
    assert deserialize_bytes_tensor(serialized.item()).tolist() == [b"ab", b"c"]
    with pytest.raises(errors.InvalidInput):
        deserialize_bytes_tensor(b"\x09\0\0\0x")


def request(*, raw: bool) -> InferRequest:
    tensor = InferInput("a", [2], "INT32", [1, 2])
    if raw:
        tensor.set_data_from_numpy(np.array([1, 2], "i4"))
    return InferRequest("m", [tensor], request_id="id-1", request_outputs=[RequestedOutput("o")])


def test_requests_go_to_rest_and_back() -> None:
    document, length = request(raw=False).to_rest()
    assert length is None
    assert isinstance(document, dict)
    assert document["inputs"] == [{"name": "a", "shape": [2], "datatype": "INT32", "data": [1, 2]}]
    assert InferRequest.from_rest("m", document) == request(raw=False)


def test_raw_requests_go_to_bytes_and_back() -> None:
    body, length = request(raw=True).to_rest()
    assert isinstance(body, bytes)
    assert length is not None
    assert json.loads(body[:length])["inputs"][0]["parameters"] == {"binary_data_size": 8}
    back = InferRequest.from_bytes(body, length, "m")
    assert back.inputs[0].data == [1, 2]
    assert back.request_outputs == [RequestedOutput("o")]


def response(**settings: object) -> InferResponse:
    outputs = [InferOutput("a", [2], "FP32", [1.5, 2.5]), InferOutput("b", [1], "BYTES", ["x"])]
    return InferResponse("id-1", "m", outputs, **settings)  # type: ignore[arg-type]


def test_responses_hold_what_was_requested() -> None:
    document, length = response().to_rest()
    assert length is None
    assert isinstance(document, dict)
    assert [each["name"] for each in document["outputs"]] == ["a", "b"]
    body, length = response(use_binary_outputs=True).to_rest()
    assert isinstance(body, bytes)
    assert length is not None
    assert InferResponse.from_bytes(body, length).outputs[1].as_numpy().tolist() == [b"x"]
    wanted = [RequestedOutput("b", {"binary_data": False})]
    document, _ = response(requested_outputs=wanted).to_rest()
    assert isinstance(document, dict)
    assert [each["name"] for each in document["outputs"]] == ["b"]
    with pytest.raises(errors.InvalidInput, match="Unexpected inference output 'zz' for model 'm'"):
        response(requested_outputs=[RequestedOutput("zz")]).to_rest()


def test_halves_go_raw_only() -> None:
    with pytest.raises(errors.InvalidInput, match="FP16"):
        InferResponse("i", "m", [InferOutput("o", [1], "FP16", [1.0])]).to_rest()


def test_inputs_of_models_follow_the_payload() -> None:
    assert get_predict_input({"instances": [[1, 2]]}).tolist() == [[1, 2]]
    assert get_predict_input({"instances": [[1]], "inputs": [[2]]}).tolist() == [[2]]
    assert get_predict_input({"instances": ["a"]}) == ["a"]
    assert get_predict_input({"instances": []}).size == 0
    frame = get_predict_input({"instances": [[{"x": 1}, {"x": 2}]]})
    assert frame["x"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="scalar"):
        get_predict_input({"instances": [{"x": 1}]})


def test_tables_come_and_go_by_columns() -> None:
    inputs = [InferInput("x", [2], "INT64", [1, 2]), InferInput("w", [2], "BYTES", [b"a", b"b"])]
    asked = InferRequest("m", inputs, parameters={"content_type": "pd"})
    frame = get_predict_input(asked)
    assert frame.to_dict(orient="list") == {"x": [1, 2], "w": ["a", "b"]}
    answer = get_predict_response(asked, pd.DataFrame({"y": [0.5, 1.5]}), "m")
    assert (answer.outputs[0].name, answer.outputs[0].data) == ("y", [0.5, 1.5])
    assert get_predict_response({}, pd.DataFrame({"y": [0.5]}), "m") == {"predictions": [{"y": 0.5}]}


def test_helpers_say_what_they_cannot_do() -> None:
    with pytest.raises(errors.InvalidInput, match="unsupported payload type"):
        get_predict_input(b"bytes")
    assert [strtobool(word) for word in ("yes", "T", "0", "off")] == [True, True, False, False]
    with pytest.raises(ValueError, match="maybe"):
        strtobool("maybe")
    with pytest.raises(NotImplementedError, match="Kubernetes"):
        kserve.KServeClient()


@pytest.mark.parametrize("raw", [False, True])
def test_requests_go_to_grpc_and_back(raw: bool) -> None:
    asked = request(raw=raw)
    asked.parameters = {"threads": 2, "name": "x", "fast": True}
    message = asked.to_grpc()
    assert message.model_name == "m"
    assert bool(message.raw_input_contents) is raw
    back = InferRequest.from_grpc(message)
    assert back.inputs[0].as_numpy().tolist() == [1, 2]
    assert back.inputs[0].data == ([] if raw else [1, 2])
    assert (back.id, back.use_binary_outputs, back.parameters["threads"].int64_param) == ("id-1", raw, 2)
    asked.parameters = {"share": 0.5}
    with pytest.raises(errors.InvalidInput, match="share"):
        asked.to_grpc()


def test_responses_go_to_grpc_and_back() -> None:
    message = response().to_grpc()
    assert list(message.outputs[0].contents.fp32_contents) == [1.5, 2.5]
    back = InferResponse.from_grpc(message)
    assert [each.as_numpy().tolist() for each in back.outputs] == [[1.5, 2.5], [b"x"]]
    array = InferOutput("a", [2], "FP32", np.array([1.5, 2.5], "f4"))
    message = InferResponse("i", "m", [array]).to_grpc()
    assert message.outputs[0].parameters["binary_data_size"].int64_param == 8
    assert InferResponse.from_grpc(message).outputs[0].as_numpy().tolist() == [1.5, 2.5]


def test_messages_are_under_their_published_address() -> None:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

    assert pb.InferTensorContents(fp32_contents=[1.5]).fp32_contents[0] == 1.5
    with pytest.raises(AttributeError, match="has no message Nothing"):
        pb.Nothing  # noqa: B018
