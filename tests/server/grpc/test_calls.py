"""The inference protocol over gRPC, as its clients ask it."""

import gzip
import struct
import time

import pytest

from hopyard.server.grpc.messages import CLASSES
from tests.server.process import eventually
from tests.server.test_keys import KEY, keys_document
from tests.server.topics import Topic

from .peer import Peer, infer_request

INVALID, DEADLINE, NOT_FOUND, EXHAUSTED = 3, 4, 5, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 12, 13, 14, 16

STYLES = """
import time

class Predict:
    def predict(self, inputs):
        if inputs[0][0] == 13:
            raise ValueError("thirteen")
        time.sleep(float(inputs[0][0]))
        return inputs
"""


def infer(peer, request, **metadata):
    return peer.call("ModelInfer", request, **metadata)


def test_typed_values_are_answered_typed(peer):
    answer = infer(peer, infer_request([1, 2, 3, 4], id="mine")).message("ModelInferResponse")
    (output,) = answer.outputs
    assert (answer.model_name, answer.id) == ("iris", "mine")
    assert (output.datatype, list(output.shape)) == ("FP64", [1, 4])
    assert list(output.contents.fp64_contents) == [1, 2, 3, 4]
    assert not answer.raw_output_contents


def test_raw_values_are_answered_raw(peer):
    answer = infer(peer, infer_request([1, 2, 3, 4], raw=True)).message("ModelInferResponse")
    assert list(answer.raw_output_contents) == [struct.pack("<4d", 1, 2, 3, 4)]
    assert not answer.outputs[0].HasField("contents")


def test_an_output_of_half_floats_is_answered_raw(peer):
    request = CLASSES["ModelInferRequest"](model_name="iris", raw_input_contents=[b"\0\x3c"])
    request.inputs.add(name="x", datatype="fp16", shape=[1, 1])
    answer = infer(peer, request).message("ModelInferResponse")
    assert (answer.outputs[0].datatype, answer.raw_output_contents[0]) == ("FP16", b"\0\x3c")


def test_strings_come_back_as_bytes(peer):
    request = CLASSES["ModelInferRequest"](model_name="iris")
    request.inputs.add(name="x", datatype="BYTES", shape=[2]).contents.bytes_contents.extend(
        [b"a", "é".encode()]
    )
    answer = infer(peer, request).message("ModelInferResponse")
    assert list(answer.outputs[0].contents.bytes_contents) == [b"a", "é".encode()]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.inputs[0].shape.append(2), "takes 4"),
        (lambda r: setattr(r.inputs[0], "datatype", "FP32"), "not in fp64_contents"),
        (lambda r: setattr(r.inputs[0], "datatype", "FP16"), "raw_input_contents"),
        (lambda r: setattr(r.inputs[0], "datatype", "NONE"), "invalid content type"),
        (lambda r: r.raw_input_contents.append(b"x"), "contents field must not be specified"),
        (lambda r: r.raw_input_contents.extend([b"x", b"y"]), "the number of inputs (1) does not match"),
        (lambda r: r.inputs[0].shape.__setitem__(0, -1), "no size is below 0"),
        (lambda r: r.inputs.__delitem__(0), "no inputs"),
        (lambda r: r.outputs.add(name="other"), "other"),
    ],
)
def test_a_wrong_tensor_is_refused_with_a_sentence(peer, change, sentence):
    request = infer_request([1, 2])
    change(request)
    answer = infer(peer, request)
    assert answer.status == INVALID
    assert sentence in answer.sentence


def test_raw_bytes_that_do_not_fill_the_shape_are_refused(peer):
    request = infer_request([1, 2], raw=True, shape=[1, 3])
    assert "takes 24" in infer(peer, request).sentence


def test_bytes_that_are_no_message_are_refused(peer):
    assert infer(peer, b"\xff\xff").status == INVALID


def test_an_unknown_model_and_an_unknown_method_are_told_apart(peer):
    assert infer(peer, infer_request([1], name="rose")).status == NOT_FOUND
    answer = peer.call("ModelTrain")
    assert (answer.status, "ModelTrain" in answer.sentence) == (UNIMPLEMENTED, True)


def test_the_callers_request_id_comes_back(peer):
    long = "x" * 128
    assert infer(peer, infer_request([1]), x_request_id="abc").headers["x-request-id"] == "abc"
    assert infer(peer, infer_request([1]), x_request_id=long).headers["x-request-id"] == long
    assert infer(peer, b"\xff", x_request_id="abc").trailers["x-request-id"] == "abc"


def test_a_message_may_be_gzip(peer):
    number = peer.begin("ModelInfer", grpc_encoding="gzip")
    peer.put(number, gzip.compress(infer_request([5]).SerializeToString()), flag=1)
    answer = peer.answer(number).message("ModelInferResponse")
    assert list(answer.outputs[0].contents.fp64_contents) == [5]


def test_a_gzip_message_is_refused_before_it_fills_the_memory(peer):
    number = peer.begin("ModelInfer", grpc_encoding="gzip")
    peer.put(number, gzip.compress(bytes(1_000_000)), flag=1)
    assert peer.answer(number).status == EXHAUSTED


@pytest.mark.parametrize(
    ("encoding", "flag", "status"),
    [("snappy", 1, UNIMPLEMENTED), ("identity", 1, INTERNAL), ("gzip", 1, INVALID)],
)
def test_a_compression_that_cannot_be_read_is_refused(peer, encoding, flag, status):
    number = peer.begin("ModelInfer", grpc_encoding=encoding)
    peer.put(number, b"plain", flag=flag)
    assert peer.answer(number).status == status


def test_a_message_over_the_limit_is_refused_by_its_length_alone(peer):
    number = peer.begin("ModelInfer")
    peer.send(bytes.fromhex("000005 00 00") + struct.pack(">L", number) + struct.pack(">BL", 0, 100_001))
    answer = peer.answer(number)
    assert (answer.status, "100000 bytes" in answer.sentence) == (EXHAUSTED, True)


@pytest.mark.parametrize("parts", [0, 2])
def test_a_call_has_exactly_one_message(peer, parts):
    message = infer_request([1]).SerializeToString()
    number = peer.begin("ModelInfer")
    body = (struct.pack(">BL", 0, len(message)) + message) * parts
    peer.send(len(body).to_bytes(3) + b"\0\1" + struct.pack(">L", number) + body)
    assert peer.answer(number).status == UNIMPLEMENTED


def test_what_is_no_grpc_gets_an_http_status(peer):
    assert peer.call("ModelInfer", content_type="application/json").trailers[":status"] == "415"
    assert peer.call("ModelInfer", **{":method": "GET"}).trailers[":status"] == "405"


def test_a_deadline_ends_the_call(serve):
    with Peer(serve(STYLES).ready().address) as peer:
        began = time.monotonic()
        assert infer(peer, infer_request([2.0]), grpc_timeout="50m").status == DEADLINE
        assert time.monotonic() - began < 1.5
        assert infer(peer, infer_request([0.0]), grpc_timeout="5x").status == INVALID


def test_an_error_of_the_script_is_told_in_its_own_words(serve):
    with Peer(serve(STYLES).ready().address) as peer:
        answer = infer(peer, infer_request([13.0]))
        assert (answer.status, answer.sentence) == (INTERNAL, "ValueError: thirteen")


def test_a_call_that_was_cancelled_is_not_made(serve):
    script = "import time\nclass Predict:\n    def predict(self, inputs):\n        print(inputs[0][0], flush=True)\n"
    script += "        time.sleep(0.3)\n        return inputs\n"
    server = serve(script).ready()
    with Peer(server.address) as peer:
        first = peer.ask("ModelInfer", infer_request([1.0]))
        eventually(lambda: "1.0" in server.log)
        second = peer.ask("ModelInfer", infer_request([2.0]))
        peer.send(bytes.fromhex("000004 03 00") + struct.pack(">LL", second, 8))
        peer.answer(first)
        assert infer(peer, infer_request([3.0])).status == 0
    assert "2.0" not in server.log


def test_the_server_and_its_models_are_described(peer):
    assert peer.call("ServerLive").message("ServerLiveResponse").live
    assert peer.call("ServerReady").message("ServerReadyResponse").ready
    asked = CLASSES["ModelReadyRequest"](name="iris")
    assert peer.call("ModelReady", asked).message("ModelReadyResponse").ready
    assert peer.call("ModelReady", CLASSES["ModelReadyRequest"](name="rose")).status == NOT_FOUND
    assert peer.call("ServerMetadata").message("ServerMetadataResponse").name == "hopyard"
    assert peer.call("ModelMetadata", asked).message("ModelMetadataResponse").name == "iris"
    assert peer.call("ModelConfig", asked).message("ModelConfigResponse").config.name == "iris"
    (model,) = peer.call("RepositoryIndex").message("RepositoryIndexResponse").models
    assert (model.name, model.state) == ("iris", "READY")


def test_statistics_count_what_was_answered(serve):
    with Peer(serve(STYLES).ready().address) as peer:
        for value in (0.0, 0.0, 13.0):
            infer(peer, infer_request([value]))
        (told,) = peer.call("ModelStatistics").message("ModelStatisticsResponse").model_stats
    assert (told.inference_count, told.inference_stats.fail.count) == (2, 1)


def test_health_is_checked(peer):
    path = "/grpc.health.v1.Health/Check"
    assert peer.call(path).message("HealthCheckResponse").status == 1
    assert peer.call(path, CLASSES["HealthCheckRequest"](service="other")).status == NOT_FOUND
    assert peer.call("/grpc.health.v1.Health/Watch").status == UNIMPLEMENTED


@pytest.mark.parametrize("field", ["name", "model_name"])
def test_a_model_is_unloaded_and_loaded_by_the_fields_of_both_clients(serve, field):
    with Peer(serve().ready().address) as peer:
        asked = CLASSES["RepositoryModelUnloadRequest"](**{field: "iris"})
        answer = peer.call("RepositoryModelUnload", asked).message("RepositoryModelUnloadResponse")
        assert (answer.model_name, answer.isUnloaded) == ("iris", True)
        assert infer(peer, infer_request([1])).status == UNAVAILABLE
        ready = peer.call("ModelReady", CLASSES["ModelReadyRequest"](name="iris"))
        assert not ready.message("ModelReadyResponse").ready
        loaded = peer.call("RepositoryModelLoad", CLASSES["RepositoryModelLoadRequest"](**{field: "iris"}))
        assert loaded.message("RepositoryModelLoadResponse").isLoaded
        assert infer(peer, infer_request([1])).status == 0


def test_keys_are_asked_for_where_there_are_keys(serve, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(keys_document(KEY))
    with Peer(serve(KEYS_FILE=keys).ready().address) as peer:
        assert infer(peer, infer_request([1])).status == UNAUTHENTICATED
        assert infer(peer, infer_request([1]), authorization=f"ApiKey {KEY}x").status == UNAUTHENTICATED
        assert infer(peer, infer_request([1]), authorization=f"ApiKey {KEY}").status == 0
        assert infer(peer, infer_request([1]), x_api_key=KEY).status == 0
        assert peer.call("RepositoryIndex").status == UNAUTHENTICATED
        assert peer.call("ServerReady").status == 0


def test_inferences_are_counted_and_logged(serve, tmp_path):
    topic = Topic(tmp_path)
    server = serve(**topic.settings).ready()
    with Peer(server.address) as peer:
        infer(peer, infer_request([1, 2]))
    assert server.metric('hopyard_requests_total{model="iris",verb="infer",status="200"}') == 1
    assert server.metric("hopyard_in_flight") == 0
    (record,) = topic.having(1)
    assert (record["protocol"], record["verb"]) == ("grpc", "infer")
    assert '"data":[1' in record["inferenceRequest"].replace(" ", "")
    assert '"outputs"' in record["inferenceResponse"]
    assert 0 < record["predictSeconds"] < record["seconds"]


def test_a_large_answer_is_logged_by_its_digest(serve, tmp_path):
    topic = Topic(tmp_path)
    script = "class Predict:\n    def predict(self, inputs):\n        return list(range(30_000, 37_000))\n"
    server = serve(script, BATCHING="off", **topic.settings).ready()
    with Peer(server.address) as peer:
        assert infer(peer, infer_request([1])).status == 0
    (record,) = topic.having(1)
    assert '"data":[1' in record["inferenceRequest"].replace(" ", "")
    assert record["inferenceResponse"] == ""
    assert record["responseBytes"] > 16 * 1024
    assert len(record["responseSha256"]) == 64
