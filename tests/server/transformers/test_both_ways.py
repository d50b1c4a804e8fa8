"""What a transformer does to questions and answers, in the predictor's process and in one of its own."""

import json
from pathlib import Path

import pytest

from tests.server.grpc.peer import Peer, infer_request
from tests.server.test_keys import KEY, keys_document
from tests.server.topics import Topic

from .conftest import Stand

ASYNC = """
import asyncio

class Transformer:
    async def preprocess(self, inputs):
        await asyncio.sleep(0)
        return {"instances": [[10 * each for each in row] for row in inputs["instances"]]}

    async def postprocess(self, outputs):
        return {"predictions": [each + 1 for each in outputs["predictions"]], "note": "post"}
"""
KSERVE = """
from kserve import InferRequest, Model

class Scaler(Model):
    def __init__(self, name, predictor_host):
        super().__init__(name)
        self.predictor_host = predictor_host

    def load(self):
        self.factor = 10
        self.ready = True

    def preprocess(self, payload, headers):
        self.caller = headers.get("x-caller", "nobody")
        if isinstance(payload, InferRequest):
            for each in payload.inputs:
                each.set_data_from_numpy(each.as_numpy() * self.factor, binary_data=False)
            return payload
        return {"instances": [[self.factor * each for each in row] for row in payload["instances"]]}

    async def postprocess(self, result, headers):
        if isinstance(result, dict):
            return {"predictions": [each + 1 for each in result["predictions"]], "note": self.caller}
        for each in result.outputs:
            each.data = [value + 1 for value in each.data]
        return result
"""
V2 = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}], "id": "mine"}


@pytest.mark.parametrize(("transformer", "note"), [(None, "post"), (ASYNC, "post"), (KSERVE, "alice")])
def test_documents_pass_both_handlers(stand: Stand, transformer: str | None, note: str) -> None:
    server = stand(transformer) if transformer else stand()
    answer = server.predict([1, 2], [3, 4], headers={"x-caller": "alice"})
    assert (answer.status_code, answer.json()) == (200, {"predictions": [31, 71], "note": note})


@pytest.mark.parametrize("transformer", [None, ASYNC, KSERVE])
def test_tensors_pass_both_handlers_over_rest_and_grpc(stand: Stand, transformer: str | None) -> None:
    server = stand(transformer) if transformer else stand()
    answer = server.post("/v2/models/iris/infer", json=V2).json()
    (output,) = answer["outputs"]
    assert (answer["id"], output["shape"], output["data"]) == ("mine", [2], [31, 71])
    with Peer(server.address) as peer:
        for raw in (False, True):
            told = peer.call("ModelInfer", infer_request([1, 2, 3, 4], raw=raw, shape=[2, 2]))
            message = told.message("ModelInferResponse")
            (tensor,) = message.outputs
            assert list(tensor.shape) == [2]
            contents = tensor.contents
            values = list(contents.fp64_contents) + list(contents.fp32_contents)
            assert bool(message.raw_output_contents) == raw
            assert raw or values == [31, 71]


def test_several_tensors_are_rows_with_names(stand: Stand) -> None:
    server = stand(
        """
        class Transformer:
            def preprocess(self, inputs):
                return {"instances": [[row["a"], len(row["b"])] for row in inputs["instances"]]}
        """
    )
    asked = [
        {"name": "a", "shape": [2], "datatype": "INT64", "data": [1, 2]},
        {"name": "b", "shape": [2], "datatype": "BYTES", "data": ["xx", "yyy"]},
    ]
    (output,) = server.post("/v2/models/iris/infer", json={"inputs": asked}).json()["outputs"]
    assert output["data"] == [3, 5]


def test_only_the_answer_may_be_changed_or_only_the_question(stand: Stand) -> None:
    after = """
        class Transformer:
            def postprocess(self, outputs):
                return {"predictions": [-each for each in outputs["predictions"]]}
        """
    server = stand(after)
    assert server.predict([1, 2]).json() == {"predictions": [-3]}
    (output,) = server.post("/v2/models/iris/infer", json=V2).json()["outputs"]
    assert output["data"] == [-3, -7]


def test_a_document_reaches_the_handler_as_it_was_sent(stand: Stand) -> None:
    server = stand(
        """
        class Transformer:
            def preprocess(self, inputs):
                return {"instances": [[len(inputs), inputs["extra"]]]}
        """
    )
    answer = server.post("/v1/models/iris:predict", json={"inputs": ["anything"], "extra": 40})
    assert answer.json() == {"predictions": [42]}


def test_an_event_is_unwrapped_and_answered_as_one(stand: Stand) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": "ask"}
    answer = stand().predict([1, 2], headers=headers)
    assert answer.json()["predictions"] == [31]
    assert answer.headers["ce-specversion"] == "1.0"


MLRUN = """
from mlrun.serving import V2ModelServer

class Sums(V2ModelServer):
    def load(self):
        pass
    def predict(self, body):
        return [sum(row) for row in body["inputs"]]
"""
OWN_WORDS = """
class Transformer:
    def preprocess(self, inputs):
        key = "inputs" if "inputs" in inputs else "instances"
        return {**inputs, key: [[10 * each for each in row] for row in inputs[key]]}
    def postprocess(self, outputs):
        return {**outputs, "note": "post"}
"""


def test_it_stands_before_a_v2_model_server_in_its_own_words_too(stand: Stand) -> None:
    server = stand(OWN_WORDS, MLRUN)
    answer = server.post("/v2/models/iris/infer", json={"inputs": [[1, 2]], "id": "mine"}).json()
    assert (answer["id"], answer["outputs"], answer["note"]) == ("mine", [30], "post")
    assert server.predict([1, 2]).json() == {"predictions": [30], "note": "post"}
    (output,) = server.post("/v2/models/iris/infer", json=V2).json()["outputs"]
    assert output["data"] == [30, 70]


MODEL = """
from kserve import Model

class Sums(Model):
    def load(self):
        self.ready = True
    def predict(self, payload, headers):
        if isinstance(payload, dict):
            return {"predictions": [sum(row) for row in payload["instances"]]}
        return [float(row.sum()) for row in payload.inputs[0].as_numpy()]
"""


def test_it_stands_before_a_kserve_model(stand: Stand) -> None:
    server = stand(KSERVE, MODEL)
    assert server.predict([1, 2]).json()["predictions"] == [31]
    (output,) = server.post("/v2/models/iris/infer", json=V2).json()["outputs"]
    assert output["data"] == [31, 71]


BROKEN = """
class Transformer:
    {kind} preprocess(self, inputs):
        first = str(inputs["instances"][0])
        if first == "raise":
            raise KeyError("colour")
        return {{"object": {{"instances": object}}, "nothing": None, "list": [1]}}.get(first, inputs)

    {kind} postprocess(self, outputs):
        if outputs["predictions"] == [1]:
            raise LookupError("one")
        return None if outputs["predictions"] == [2] else outputs
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_handler_that_fails_is_named(stand: Stand, kind: str) -> None:
    server = stand(BROKEN.format(kind=kind))
    sentences = {
        "raise": ("TransformerFailed", "Transformer.preprocess raised KeyError: 'colour'"),
        "object": (
            "AnswerInvalid",
            "What Transformer.preprocess returned cannot be written as JSON: preprocess",
        ),
        "nothing": ("AnswerInvalid", "Transformer.preprocess returned nothing; return"),
        "list": ("AnswerInvalid", "Transformer.preprocess returned a list; return"),
    }
    rows = {
        (1,): "Transformer.postprocess raised LookupError: one",
        (2,): "Transformer.postprocess returned nothing",
    }
    for row, (code, sentence) in sentences.items():
        answer = server.predict(row)
        assert (answer.status_code, answer.json()["code"]) == (500, code), answer.text
        assert answer.json()["error"].startswith(sentence)
    for number, sentence in rows.items():
        assert server.predict(list(number)).json()["error"].startswith(sentence)
    assert "in preprocess" in server.log
    assert 'raise KeyError("colour")' in server.log
    assert server.predict([3]).json() == {"predictions": [3]}
    health = server.get("/v2/health/ready").json()
    assert (health["ready"], health["consecutive_failures"]) == (True, 0)
    assert server.metric("hopyard_in_flight") == 0


def test_a_body_that_is_no_document_is_the_callers_mistake(stand: Stand) -> None:
    server = stand()
    for body in ("[1]", "{", "null", ""):
        answer = server.post("/v1/models/iris:predict", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "BadBody")


def test_what_the_predictor_refuses_or_fails_on_is_told_as_it_said_it(stand: Stand) -> None:
    server = stand("class Transformer:\n    def preprocess(self, inputs): return inputs\n")
    headers = {"x-request-id": "mine"}
    answer = server.predict([13], headers=headers)
    assert answer.status_code == 500
    assert answer.json() == {"error": "ValueError: thirteen", "code": "PredictFailed", "request_id": "mine"}
    refused = server.post("/v1/models/iris:predict", json={"rows": []}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "BadBody")
    assert server.post("/v1/models/iris:explain", json={"instances": []}).status_code == 501
    with Peer(server.address) as peer:
        told = peer.call("ModelInfer", infer_request([13]))
        assert (told.status, told.sentence) == (13, "ValueError: thirteen")


STREAMS = """
class Predict:
    def predict(self, inputs):
        for row in inputs:
            yield {"sum": sum(row)}
"""


def test_an_answer_in_pieces_passes_as_it_comes(stand: Stand) -> None:
    server = stand(predictor=STREAMS)
    with server.client.stream(
        "POST", server.url("/v1/models/iris:predict"), json={"instances": [[1, 2], [3]]}
    ) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert [json.loads(line) for line in answer.iter_lines()] == [{"sum": 30}, {"sum": 30}]
    assert server.predict([4]).status_code == 200
    assert server.post("/v2/models/iris/infer", json=V2).status_code == 500


def test_stages_are_counted(stand: Stand) -> None:
    server = stand(BROKEN.format(kind="def").replace("== [1]", "== []"))
    for _ in range(3):
        server.predict([1, 2])
    for stage in ("preprocess", "predict", "postprocess"):
        assert server.metric(f'request_{stage}_seconds_count{{model_name="iris"}}') == 3
    assert server.metric('hopyard_requests_total{model="iris",verb="predict",status="200"}') == 3


def test_a_caller_that_is_let_in_by_a_key_is_known_behind(stand: Stand, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(keys_document(KEY))
    topic = Topic(tmp_path)
    server = stand(KEYS_FILE=keys, **topic.settings)
    assert server.predict([1, 2]).status_code == 401
    answer = server.predict([1, 2], headers={"authorization": f"ApiKey {KEY}", "x-request-id": "r-1"})
    assert answer.json()["predictions"] == [31]
    assert (
        server.post("/v2/models/iris/infer", json=V2, headers={"authorization": f"ApiKey {KEY}"}).status_code
        == 200
    )
    server.terminate()
    asked = [each for each in topic.records if each["requestId"] == "r-1"]
    assert {each["keyId"] for each in asked} == {asked[0]["keyId"]}
    assert asked[0]["keyId"]


def test_its_pages_are_those_of_any_replica(stand: Stand) -> None:
    server = stand()
    assert "/v1/models/iris:predict" in server.get("/openapi.json").json()["paths"]
    assert server.get("/v2/models/iris").json()["name"] == "iris"
    assert server.get("/docs").status_code == 200
    assert server.get("/v1/models/iris").json()["ready"] is True
    assert server.terminate() == 0


def test_each_of_several_processes_has_both(stand: Stand) -> None:
    server = stand(WORKERS=2)
    for _ in range(4):
        assert server.predict([1, 2]).json()["predictions"] == [31]
