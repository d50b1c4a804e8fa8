"""The Open Inference Protocol over REST, byte for byte where clients depend on it."""

import json
import struct
from contextlib import closing

import numpy as np
import pytest

from .process import ServerProcess

ROWWISE = """
    class Predict:
        def predict(self, X):
            if hasattr(X, "items"):
                return {name: each for name, each in X.items()}
            return [sum(row) for row in X]
"""
MIRROR = """
    class Predict:
        def predict(self, inputs):
            print("asked with", type(inputs).__name__, getattr(inputs, "dtype", ""), flush=True)
            return inputs
"""
ANSWERS = """
    import datetime
    import numpy as np
    import pandas as pd

    class Predict:
        def predict(self, inputs):
            return {
                "floats": np.array([[1.5, np.nan]]),
                "halves": np.array([0.5, 2], dtype="f2"),
                "longer": np.array([0.5], dtype="longdouble"),
                "labels": {"label": ["rose", "iris"], "score": np.array([1, 2], dtype="i4")},
                "frame": pd.DataFrame({"label": ["rose"], "score": [0.5], "known": [True]}),
                "text": "rose",
                "one": 5,
                "none": None,
                "ragged": [[1], [2, 3]],
                "dicts": [{"a": 1}],
                "dates": [datetime.date(2026, 1, 2)],
                "empty": [],
                "bytes": [b"\\xff"],
                "object": object(),
                "complex": np.array([1j]),
            }[inputs[0]]
"""
INFER = "/v2/models/iris/infer"


def tensor(data, shape=None, datatype="FP64", name="x", **more):
    return {
        "name": name,
        "shape": [len(data)] if shape is None else shape,
        "datatype": datatype,
        "data": data,
        **more,
    }


def infer(server, *tensors, **more):
    return server.post(INFER, json={"inputs": list(tensors), **more})


def binary(server, document, *raw, header=None, **headers):
    head = json.dumps(document).encode()
    said = {"Inference-Header-Content-Length": str(len(head)) if header is None else header}
    return server.post(INFER, content=b"".join((head, *raw)), headers=said | headers)


def raw_tensor(raw, shape, datatype, name="x"):
    parameters = {"binary_data_size": len(raw)}
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}


def outputs_of(answer):
    """Arrays by name from a binary answer, and the JSON in front of them."""
    length = int(answer.headers["inference-header-content-length"])
    document, at = json.loads(answer.content[:length]), length
    found = {}
    for each in document["outputs"]:
        size = each["parameters"]["binary_data_size"]
        found[each["name"]] = answer.content[at : at + size]
        at += size
    assert at == len(answer.content)
    return document, found


@pytest.fixture(scope="module")
def rowwise(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("rowwise"), ROWWISE, {})) as server:
        yield server.ready()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("mirror"), MIRROR, {})) as server:
        yield server.ready()


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("answers"), ANSWERS, {})) as server:
        yield server.ready()


# What is served


def test_the_server_tells_its_name_and_extensions(mirror):
    told = mirror.get("/v2").json()
    assert told["name"] == "hopyard"
    assert {"model_repository", "binary_tensor_data"} <= set(told["extensions"])
    assert told["version"]


def test_health_models_and_metadata_are_told(mirror):
    assert mirror.get("/v2/health/live").json() == {"live": True}
    assert mirror.get("/v2/health/ready").json()["ready"] is True
    assert mirror.get("/v2/models").json() == {"models": ["iris"]}
    metadata = mirror.get("/v2/models/iris").json()
    assert metadata == {"name": "iris", "versions": None, "platform": "", "inputs": [], "outputs": []}
    ready = mirror.get("/v2/models/iris/ready").json()
    assert (ready["name"], ready["ready"]) == ("iris", True)


@pytest.mark.parametrize("path", ["/v2/", "/v2/models/", "/v2/models/iris/", "/v2/models/iris/ready/"])
def test_a_slash_at_the_end_changes_nothing(mirror, path):
    assert mirror.get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/rose", 404),
        ("GET", "/v2/models/rose/ready", 404),
        ("POST", "/v2/models/rose/infer", 404),
        ("POST", "/v2/repository/models/rose/load", 404),
        ("POST", "/v2/repository/models/rose/unload", 404),
        ("GET", "/v2/models/iris/config", 404),
        ("GET", INFER, 405),
        ("POST", "/v2/models/iris", 405),
        ("GET", "/v2/repository/index", 405),
        ("GET", "/v2/repository/models/iris/load", 405),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(mirror, method, path, status):
    answer = mirror.client.request(method, mirror.url(path))
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_version_in_the_path_is_served_if_it_is_this_one(serve):
    server = serve(MIRROR, MODEL_VERSION=3).ready()
    body = {"inputs": [tensor([1.0])]}
    assert server.get("/v2/models/iris").json()["versions"] == ["3"]
    assert server.get("/v2/models/iris/versions/3/ready").status_code == 200
    assert server.post("/v2/models/iris/versions/3/infer", json=body).json()["model_version"] == "3"
    assert server.post("/v2/models/iris/versions/4/infer", json=body).status_code == 404


def test_the_repository_is_listed_and_a_model_unloaded_and_loaded_again(serve):
    server = serve(MIRROR).ready()
    index = server.post("/v2/repository/index").json()
    assert index == [{"name": "iris", "version": "", "state": "READY", "reason": ""}]
    answer = server.post("/v2/repository/models/iris/unload", json={"parameters": {}})
    assert answer.json() == {"name": "iris", "unload": True}
    assert server.get("/v2/models/iris/ready").status_code == 503
    early = infer(server, tensor([1.0]))
    assert (early.status_code, early.headers["retry-after"]) == (503, "1")
    assert server.post("/v2/repository/index").json()[0]["state"] == "UNAVAILABLE"
    assert server.post("/v2/repository/index", json={"ready": True}).json() == []
    assert server.post("/v2/repository/models/iris/load").json() == {"name": "iris", "load": True}
    assert infer(server, tensor([1.0])).status_code == 200


# Inference in JSON


def test_the_answer_has_the_keys_of_the_protocol_in_their_order(rowwise):
    answer = infer(rowwise, tensor([1, 2, 3, 4], [2, 2]), id="call-1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == (
        b'{"model_name":"iris","model_version":null,"id":"call-1","parameters":null,"outputs":'
        b'[{"name":"output-0","shape":[2],"datatype":"FP64","parameters":null,"data":[3.0,7.0]}]}'
    )


def test_an_id_is_made_where_none_was_sent(rowwise):
    answer = infer(rowwise, tensor([1, 2], [1, 2]))
    assert answer.json()["id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "given",
    [
        tensor([[1, 2], [3, 4]], [2, 2]),
        tensor([1, 2, 3, 4], [2, 2]),
        tensor([1, 2, 3, 4], [-1, 2]),
        tensor([1, 2, 3, 4], ["2", 2.0]),
        tensor([1, 2, 3, 4], [2, 2], "fp64"),
        tensor(["1", 2, "3", 4], [2, 2]),
        tensor([1, 2, 3, 4], [2, 2], unknown=1, parameters=None),
    ],
)
def test_forms_that_clients_send_are_read_alike(rowwise, given):
    assert infer(rowwise, given).json()["outputs"][0]["data"] == [3.0, 7.0]


@pytest.mark.parametrize(
    ("datatype", "sent"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("UINT16", [0, 65535]),
        ("UINT32", [0, 2**32 - 1]),
        ("UINT64", [0, 2**64 - 1]),
        ("INT8", [-128, 127]),
        ("INT16", [-(2**15), 2**15 - 1]),
        ("INT32", [-(2**31), 2**31 - 1]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("FP32", [0.5, -1e30]),
        ("FP64", [0.1, 1e300]),
        ("BYTES", ["rose", "räv", ""]),
    ],
)
def test_every_datatype_comes_back_as_it_was_sent(mirror, datatype, sent):
    output = infer(mirror, tensor(sent, datatype=datatype)).json()["outputs"][0]
    assert (output["datatype"], output["shape"]) == (datatype, [len(sent)])
    assert output["data"] == pytest.approx(sent) if datatype == "FP32" else output["data"] == sent


def test_nan_is_read_and_answered_as_null(mirror):
    body = b'{"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [NaN, 1.5]}]}'
    assert mirror.post(INFER, content=body).json()["outputs"][0]["data"] == [None, 1.5]


def test_an_empty_tensor_is_answered_with_one(mirror):
    output = infer(mirror, tensor([], [0, 4])).json()["outputs"][0]
    assert (output["shape"], output["data"]) == ([0, 4], [])


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain"],
)
def test_json_is_json_whatever_the_content_type(rowwise, content_type):
    headers = {"content-type": content_type} if content_type else {}
    body = json.dumps({"inputs": [tensor([1, 2], [1, 2])]}).encode()
    answer = rowwise.post(INFER, content=body, headers=headers)
    assert answer.json()["outputs"][0]["data"] == [3.0]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty"),
        (b"{", "The body is not JSON"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"[]", "The body is not an object"),
        (b"{}", "no list of inputs"),
        (b'{"inputs": {}}', "no list of inputs"),
        (b'{"inputs": [1]}', "inputs[0] is not an object"),
        (b'{"inputs": [{"shape": [1], "datatype": "FP32", "data": [1]}]}', "inputs[0] has no name"),
        (b'{"inputs": [{"name": "x", "datatype": "FP32", "data": [1]}]}', "inputs[0] has no shape"),
        (b'{"inputs": [{"name": "x", "shape": [1], "data": [1]}]}', "inputs[0] has no datatype"),
        (b'{"inputs": [{"name": 1, "shape": [1], "datatype": "FP32", "data": [1]}]}', "are strings"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}', "'data' field is missing"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": null}]}', "'data' field"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": 5}]}', "'data' field"),
        (b'{"inputs": [{"name": "x", "shape": [1.5], "datatype": "FP32", "data": [1]}]}', "The shape of"),
        (b'{"inputs": [{"name": "x", "shape": [-3], "datatype": "FP32", "data": [1]}]}', "The shape of"),
        (b'{"inputs": [{"name": "x", "shape": "1", "datatype": "FP32", "data": [1]}]}', "The shape of"),
        (b'{"inputs": [], "id": 5}', "The id is not a string"),
        (b'{"inputs": [], "parameters": {"a": {}}}', "The parameters of the request"),
        (b'{"inputs": [], "outputs": 5}', "The outputs are not a list"),
        (b'{"inputs": [], "outputs": [5]}', "Each of the outputs asked for"),
        (b'{"inputs": [], "outputs": [{"name": null}]}', "Each of the outputs asked for"),
    ],
)
def test_a_body_that_is_no_inference_request_is_unprocessable(mirror, body, sentence):
    answer = mirror.post(INFER, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "BadBody")
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (tensor([1, 2, 3, 4], [2, 4]), "4 values, which do not fill the shape [2, 4]"),
        (tensor([1], [-1, -1]), "do not fill the shape"),
        (tensor([1, 2], []), "do not fill the shape"),
        (tensor([1], [2**70]), "do not fill the shape"),
        (tensor(["rose"]), "is not FP64 throughout"),
        (tensor([{}]), "is not FP64 throughout"),
        (tensor([[1], [2, 3]], [3]), "is not FP64 throughout"),
        (tensor([256], datatype="UINT8"), "is not UINT8 throughout"),
        (tensor([None], datatype="INT32"), "is not INT32 throughout"),
        (tensor([1e30], datatype="INT64"), "is not INT64 throughout"),
        (tensor([1], datatype="STRING"), "datatype STRING: it is not a datatype of the protocol"),
        (tensor([1], datatype="BF16"), "datatype BF16: numpy has none"),
        (tensor([1], datatype="FP16"), "Sending FP16 data via JSON is not supported"),
        (tensor([5], [1], parameters={"binary_data_size": 8}), "no Inference-Header-Content-Length"),
    ],
)
def test_a_tensor_that_is_wrong_is_a_bad_request(mirror, given, sentence):
    answer = infer(mirror, given)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_lists_within_lists_of_any_depth_are_refused_and_not_fatal(mirror):
    for datatype in ("BYTES", "FP32"):
        deep = b"[" * 900 + b"1" + b"]" * 900
        body = b'{"inputs":[{"name":"x","shape":[2],"datatype":"%b","data":%b}]}' % (datatype.encode(), deep)
        assert mirror.post(INFER, content=body).status_code == 400


def test_a_request_without_inputs_or_rows_is_told_so(mirror):
    assert "no inputs" in infer(mirror).json()["error"]
    scalar = infer(mirror, {"name": "x", "shape": [], "datatype": "FP32", "data": [1]})
    assert "no rows" in scalar.json()["error"]


def test_a_missing_model_is_told_before_a_wrong_body(mirror):
    assert mirror.post("/v2/models/rose/infer", content=b"{").status_code == 404


# Binary tensors


@pytest.mark.parametrize("binary_headers", [{}, {"content-type": "application/octet-stream"}])
def test_a_binary_tensor_is_read_and_answered_as_one(mirror, binary_headers):
    sent = np.arange(6, dtype="<f4").reshape(2, 3)
    document = {
        "id": "call-2",
        "inputs": [raw_tensor(sent.tobytes(), [2, 3], "FP32")],
        "parameters": {"binary_data_output": True},
    }
    answer = binary(mirror, document, sent.tobytes(), **binary_headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert int(answer.headers["content-length"]) == len(answer.content)
    told, raw = outputs_of(answer)
    assert list(told) == ["id", "model_name", "model_version", "outputs"]
    assert told["outputs"][0] == {
        "name": "output-0",
        "shape": [2, 3],
        "datatype": "FP32",
        "parameters": {"binary_data_size": 24},
    }
    assert (told["id"], raw["output-0"]) == ("call-2", sent.tobytes())


def test_half_precision_goes_both_ways_as_binary(mirror):
    sent = np.array([0.5, 2], dtype="<f2").tobytes()
    document = {"inputs": [raw_tensor(sent, [2], "FP16")]}
    refused = binary(mirror, document, sent)
    assert (refused.status_code, "Sending FP16" in refused.json()["error"]) == (400, True)
    document["outputs"] = [{"name": "output-0", "parameters": {"binary_data": True}}]
    assert outputs_of(binary(mirror, document, sent))[1] == {"output-0": sent}


def test_strings_go_both_ways_as_binary(mirror):
    sent = b"".join(struct.pack("<I", len(each)) + each for each in (b"rose", b"", b"r\xc3\xa4v"))
    document = {"inputs": [raw_tensor(sent, [3], "BYTES")]}
    assert binary(mirror, document, sent).json()["outputs"][0]["data"] == ["rose", "", "räv"]
    document["parameters"] = {"binary_data_output": True}
    assert outputs_of(binary(mirror, document, sent))[1] == {"output-0": sent}


def test_bytes_that_are_no_text_stay_bytes(mirror):
    sent = struct.pack("<I", 2) + b"\xff\xfe"
    document = {"inputs": [raw_tensor(sent, [1], "BYTES")]}
    refused = binary(mirror, document, sent)
    assert (refused.status_code, "not UTF-8" in refused.json()["error"]) == (400, True)
    document["parameters"] = {"binary_data_output": True}
    assert outputs_of(binary(mirror, document, sent))[1] == {"output-0": sent}


def test_a_binary_empty_tensor_is_answered_with_one(mirror):
    document = {
        "inputs": [raw_tensor(b"", [0, 3], "INT32")],
        "parameters": {"binary_data_output": True},
    }
    told, raw = outputs_of(binary(mirror, document))
    assert (told["outputs"][0]["shape"], raw) == ([0, 3], {"output-0": b""})


@pytest.mark.parametrize(
    ("document", "raw", "header", "sentence"),
    [
        ({"inputs": [raw_tensor(b"1234", [2], "FP32")]}, b"1234", None, "do not fill the shape"),
        ({"inputs": [raw_tensor(b"12345", [1], "FP32")]}, b"12345", None, "not a multiple of 4"),
        ({"inputs": [raw_tensor(b"12345678", [2], "FP32")]}, b"1234", None, "there are 4"),
        ({"inputs": [raw_tensor(b"1234", [1], "FP32")]}, b"12345678", None, "4 bytes are left"),
        ({"inputs": [raw_tensor(b"\x09\0\0\0abc", [1], "BYTES")]}, b"\x09\0\0\0abc", None, "ends inside"),
        ({"inputs": [raw_tensor(b"\x01\0", [1], "BYTES")]}, b"\x01\0", None, "ends inside"),
        ({"inputs": [raw_tensor(b"", [2], "BYTES")]}, b"", None, "do not fill the shape"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, b"", None, "'data' field is missing"),
        ({}, b"", None, "no list of inputs"),
        ({"inputs": []}, b"", "5", "not JSON"),
        ({"inputs": []}, b"", "999", "Inference-Header-Content-Length is 999"),
        ({"inputs": []}, b"", "-1", "Inference-Header-Content-Length is -1"),
        ({"inputs": []}, b"", "all", "Inference-Header-Content-Length is all"),
        ({"inputs": []}, b"", "0" * 20 + "9" * 5000, "Inference-Header-Content-Length is 000"),
    ],
)
def test_a_binary_body_that_does_not_add_up_is_a_bad_request(mirror, document, raw, header, sentence):
    answer = binary(mirror, document, raw, header=header)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize("size", [-1, 1.5, "4", True, None])
def test_a_binary_size_that_is_no_size_is_a_bad_request(mirror, size):
    given = raw_tensor(b"1234", [1], "FP32") | {"parameters": {"binary_data_size": size}}
    answer = binary(mirror, {"inputs": [given]}, b"1234")
    assert (answer.status_code, "binary_data_size" in answer.json()["error"]) == (400, True)


# Outputs


def test_outputs_are_those_asked_for_in_the_order_asked(rowwise):
    inputs = [tensor([1, 2], name="a"), tensor([3, 4], name="b")]
    every = infer(rowwise, *inputs).json()["outputs"]
    assert [each["name"] for each in every] == ["a", "b"]
    asked = infer(rowwise, *inputs, outputs=[{"name": "b"}, {"name": "a"}]).json()["outputs"]
    assert [each["name"] for each in asked] == ["b", "a"]
    wrong = infer(rowwise, *inputs, outputs=[{"name": "zz"}])
    assert wrong.status_code == 400
    assert "Unexpected inference output 'zz' for model 'iris'; it has a, b." in wrong.json()["error"]


def test_each_output_is_sent_as_it_was_asked_for(rowwise):
    inputs = [tensor([1.0], name="a"), tensor([2.0], name="b")]
    wanted = [{"name": "a", "parameters": {"binary_data": True}}, {"name": "b"}]
    answer = infer(rowwise, *inputs, outputs=wanted, parameters={"binary_data_output": True})
    length = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.content[:length])["outputs"]
    assert outputs[0]["parameters"] == {"binary_data_size": 8}
    assert (outputs[1]["data"], "parameters" in outputs[1]) == ([2.0], False)
    assert answer.content[length:] == struct.pack("<d", 1.0)


# What the model is handed, and what it may answer


@pytest.mark.parametrize(
    ("annotation", "kind"), [("", "ndarray"), (": np.ndarray", "ndarray"), (": list", "list")]
)
def test_a_method_gets_what_its_annotation_says(serve, annotation, kind):
    script = f"""
        import numpy as np
        class Predict:
            def predict(self, X{annotation}):
                print("asked with", type(X).__name__, flush=True)
                return [row[0] for row in X]
    """
    server = serve(script).ready()
    assert infer(server, tensor([1, 2, 3, 4], [2, 2])).json()["outputs"][0]["data"] == [1.0, 3.0]
    assert f"asked with {kind}" in server.log


def test_an_array_is_the_model_s_own_to_change(serve):
    script = """
        class Predict:
            def predict(self, X):
                X *= 2
                return X
    """
    server = serve(script).ready()
    sent = np.array([1, 2], dtype="<f4").tobytes()
    answer = binary(server, {"inputs": [raw_tensor(sent, [2], "FP32")]}, sent)
    assert answer.json()["outputs"][0]["data"] == [2.0, 4.0]


@pytest.mark.parametrize("annotation", ["", ": dict", ": list"])
def test_several_inputs_are_a_dict_by_name(serve, annotation):
    script = f"""
        class Predict:
            def predict(self, inputs{annotation}):
                return [a + len(b) for a, b in zip(inputs["a"], inputs["b"])]
    """
    server = serve(script, BATCHING="on").ready()
    inputs = [tensor([1, 2], name="a", datatype="INT32"), tensor(["x", "yy"], name="b", datatype="BYTES")]
    assert infer(server, *inputs).json()["outputs"][0]["data"] == [2, 4]


def test_a_request_for_pandas_is_a_frame(serve):
    script = """
        class Predict:
            def predict(self, frame):
                print("columns", list(frame.columns), list(frame.dtypes), flush=True)
                return frame.assign(long=frame.petal > 2)
    """
    server = serve(script).ready()
    inputs = [tensor([1, 5], name="petal"), tensor(["a", "b"], [2, 1], name="kind", datatype="BYTES")]
    answer = infer(server, *inputs, parameters={"content_type": "pd"}).json()
    assert [(each["name"], each["data"]) for each in answer["outputs"]] == [
        ("petal", [1.0, 5.0]),
        ("kind", ["a", "b"]),
        ("long", [False, True]),
    ]
    for wrong in (tensor([1], name="other"), tensor([1, 2, 3, 4], [2, 2], name="other")):
        refused = infer(server, inputs[0], wrong, parameters={"content_type": "pd"})
        assert refused.status_code == 400


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("floats", [("output-0", "FP64", [1, 2], [1.5, None])]),
        ("longer", [("output-0", "FP64", [1], [0.5])]),
        ("labels", [("label", "BYTES", [2], ["rose", "iris"]), ("score", "INT32", [2], [1, 2])]),
        (
            "frame",
            [
                ("label", "BYTES", [1], ["rose"]),
                ("score", "FP64", [1], [0.5]),
                ("known", "BOOL", [1], [True]),
            ],
        ),
        ("text", [("output-0", "BYTES", [1], ["rose"])]),
        ("one", [("output-0", "INT64", [1], [5])]),
        ("none", [("output-0", "BYTES", [1], ["null"])]),
        ("ragged", [("output-0", "BYTES", [2], ["[1]", "[2,3]"])]),
        ("dicts", [("output-0", "BYTES", [1], ['{"a":1}'])]),
        ("dates", [("output-0", "BYTES", [1], ['"2026-01-02"'])]),
        ("empty", [("output-0", "FP64", [0], [])]),
    ],
)
def test_what_a_model_answers_becomes_tensors(answers, name, expected):
    outputs = infer(answers, tensor([name], datatype="BYTES")).json()["outputs"]
    assert [(each["name"], each["datatype"], each["shape"], each["data"]) for each in outputs] == expected


def test_what_json_cannot_hold_is_asked_for_as_binary(answers):
    for name in ("halves", "bytes"):
        answer = infer(answers, tensor([name], datatype="BYTES"))
        assert (answer.status_code, "binary" in answer.json()["error"]) == (400, True)
        answer = infer(answers, tensor([name], datatype="BYTES"), parameters={"binary_data_output": True})
        assert answer.status_code == 200


def test_an_answer_that_no_tensor_can_hold_is_the_model_s_failure(answers):
    for name in ("object", "complex"):
        answer = infer(answers, tensor([name], datatype="BYTES"))
        assert (answer.status_code, answer.json()["code"]) == (500, "AnswerInvalid")
    failed = infer(answers, tensor(["unknown"], datatype="BYTES"))
    assert (failed.status_code, failed.json()["error"]) == (500, "KeyError: 'unknown'")


def test_calls_are_counted_with_their_status(serve):
    server = serve(MIRROR).ready()
    infer(server, tensor([1.0]))
    infer(server, tensor(["x"]))
    server.post(INFER, content=b"{")
    line = 'hopyard_requests_total{{model="iris",verb="infer",status="{}"}}'
    assert [server.metric(line.format(status)) for status in (200, 400, 422)] == [1, 1, 1]
    assert server.metric("hopyard_in_flight") == 0
