"""What a class derived from V2ModelServer may rely on."""

import json

import pytest
from mlrun.artifacts import get_model
from mlrun.serving import V2ModelServer
from mlrun.serving.server import GraphContext, MockEvent, MockTrigger


class Echo(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return request["inputs"]


class Hooked(Echo):
    """Writes down the order it is called in."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.called = []

    def preprocess(self, request, operation):
        self.called.append(("preprocess", operation))
        return {"inputs": request["rows"]}

    def validate(self, request, operation):
        self.called.append(("validate", operation))
        return super().validate(request, operation)

    def predict(self, request):
        self.called.append("predict")
        return request["inputs"]

    def explain(self, request):
        self.called.append("explain")
        return {"why": request["inputs"]}

    def postprocess(self, response):
        self.called.append(("postprocess", list(response)))
        return {"outputs": response["outputs"], "done": True}


def test_requests_pass_the_hooks_in_order(hosted):
    model = Hooked()
    server = hosted(model)
    assert server.test("/v2/models/m/predict", {"rows": [1]}) == {"outputs": [1], "done": True}
    envelope = ["id", "model_name", "outputs", "timestamp"]
    hooks = [("preprocess", "predict"), ("validate", "predict"), "predict", ("postprocess", envelope)]
    assert model.called == hooks
    model.called.clear()
    assert server.test("/v2/models/m/explain", {"rows": [1]})["outputs"] == {"why": [1]}
    assert model.called[-2:] == ["explain", ("postprocess", ["id", "model_name", "outputs"])]


def test_v1_and_v2_tensors_pass_the_hooks_too(hosted):
    class Doubling(Echo):
        def preprocess(self, request, operation):
            return {"inputs": [row * 2 for row in request["inputs"]]}

    server = hosted(Doubling)
    assert server.test("/v1/models/m:predict", {"instances": [1, 2]}) == {"predictions": [2, 4]}
    tensors = [
        {"name": "a", "shape": [2], "datatype": "INT64", "data": [1, 2]},
        {"name": "b", "shape": [2, 1], "datatype": "INT64", "data": [3, 4]},
    ]
    outputs = server.test("/v2/models/m/infer", {"inputs": tensors})["outputs"]
    assert outputs[0]["data"] == [1, 3, 1, 3, 2, 4, 2, 4]
    tensors[1] |= {"shape": [1], "data": [3]}
    with pytest.raises(RuntimeError, match="different numbers of rows"):
        server.test("/v2/models/m/infer", {"inputs": tensors})


def test_explain_has_a_verb_of_its_own_where_it_is_written(hosted):
    class Explained(Echo):
        def explain(self, request):
            return ["because"] * len(request["inputs"])

    server = hosted(Explained)
    assert server.test("/v1/models/m:explain", {"instances": [1]}) == {"predictions": ["because"]}
    assert hosted(Echo).test("/v1/models/m:explain", {"instances": [1]}, silent=True).status_code == 501


def test_input_path_and_result_path_lead_into_the_body(hosted):
    server = hosted(Echo, input_path="data.body", result_path="data.answer")
    answer = server.test("/v2/models/m/infer", {"data": {"body": {"inputs": [1], "id": "x"}}, "keep": 1})
    assert answer["keep"] == 1
    assert answer["data"]["answer"]["outputs"] == [1]
    assert answer["data"]["answer"]["id"] == "x"
    with pytest.raises(RuntimeError, match=r"failed \(400\): TypeError: argument of type 'NoneType'"):
        server.test("/v2/models/m/infer", {"data": {}})


def test_another_protocol_validates_nothing(hosted):
    class Any(Echo):
        def predict(self, request):
            return request["anything"]

    assert hosted(Any, protocol="v1").test("/v2/models/m/infer", {"anything": 5})["outputs"] == 5


def test_a_model_object_is_not_loaded():
    class Given(V2ModelServer):
        def load(self):
            raise AssertionError("loaded")

    given = Given(name="m:v2", model=object(), multiplier=2)
    given.post_init()
    assert (given.ready, given.name, given.version, given.get_param("multiplier")) == (True, "m", "v2", 2)
    with pytest.raises(RuntimeError, match="failed to load model m") as failed:
        Given(name="m", model=[]).post_init()
    assert isinstance(failed.value.__cause__, AssertionError)


@pytest.fixture
def artifact(tmp_path):
    (tmp_path / "weights.pkl").write_bytes(b"w")
    (tmp_path / "names.csv").write_text("a,b\n1,2\n")
    spec = {
        "kind": "model",
        "spec": {
            "model_file": "weights.pkl",
            "extra_data": {"names": "names.csv"},
            "parameters": {"alpha": 5},
            "metrics": {"accuracy": 0.9},
            "inputs": [{"name": "a", "value_type": "int"}, {"name": "b", "value_type": "float"}],
            "outputs": [{"name": "y", "value_type": "float"}],
            "algorithm": "trees",
        },
    }
    (tmp_path / "model_spec.yaml").write_text(json.dumps(spec))
    return tmp_path


class Described(Echo):
    def load(self):
        self.file, self.extra = self.get_model(".pkl")

    def op_extra(self, event):
        names = self.extra["names"]
        size = names.as_df().shape
        copied = names.download(f"{self.model_path}/copied.csv")
        return [self.file, names.get(encoding="utf-8"), size, names.kind, names.local() == names.url, copied]

    def op_params(self, event):
        return [self.get_param("alpha"), self.get_param("beta", "none"), self.model_spec.algorithm]


def test_get_model_knows_what_model_spec_says(hosted, artifact):
    server = hosted(Described, model_dir=artifact, alpha=1)
    file, text, size, kind, is_local, copied = server.test("/v2/models/m/extra", {})
    assert (file, text, size) == (str(artifact / "weights.pkl"), "a,b\n1,2\n", [1, 2])
    assert (kind, is_local, copied) == ("file", True, f"{artifact}/copied.csv")
    assert server.test("/v2/models/m/params", {}) == [5, "none", "trees"]
    assert server.test("/v2/models/m")["inputs"] == [
        {"name": "a", "value_type": "int"},
        {"name": "b", "value_type": "float"},
    ]


def test_inputs_by_name_are_put_in_the_models_order(hosted, artifact):
    server = hosted(Described, model_dir=artifact)
    rows = [{"b": 2, "a": 1, "more": 3}, {"a": 4, "b": 5}]
    assert server.test("/v2/models/m/infer_dict", {"inputs": rows})["outputs"] == [[1, 2], [4, 5]]
    assert server.test("/v2/models/m/predict_dict", {"inputs": rows[0]})["outputs"] == [1, 2]
    with pytest.raises(RuntimeError, match="Input dictionary don't contain all the necessary input keys"):
        server.test("/v2/models/m/infer_dict", {"inputs": [{"a": 1}]})
    with pytest.raises(RuntimeError, match="must be of type"):
        server.test("/v2/models/m/infer_dict", {"inputs": [[1, 2]]})


def test_get_model_finds_files_without_a_spec(tmp_path):
    (tmp_path / "b.h5").touch()
    (tmp_path / "a.pkl").touch()
    file, spec, extra = get_model(str(tmp_path))
    assert (file, spec, sorted(extra)) == (str(tmp_path / "a.pkl"), None, ["a.pkl", "b.h5"])
    assert get_model(str(tmp_path), ".h5")[0] == str(tmp_path / "b.h5")
    assert get_model("elsewhere/c.pkl")[0] == "elsewhere/c.pkl"
    with pytest.raises(NotADirectoryError, match=r"get_model\('\.h5'\)"):
        get_model(str(tmp_path / "b.h5"))
    with pytest.raises(ValueError, match=r"cant resolve model file for .* suffix\.onnx; .* a\.pkl, b\.h5"):
        get_model(str(tmp_path), ".onnx")
    with pytest.raises(ValueError, match="does not read"):
        get_model("s3://bucket/model.pkl")


def test_the_context_logs_and_knows_its_parameters(caplog):
    context = GraphContext({"a": 1}, project="p")
    with caplog.at_level("INFO"):
        context.logger.info("loaded 100%", rows=3)
        context.logger.warn_with("odd", why="x")
    assert 'loaded 100% {"rows": 3}' in caplog.text
    assert 'odd {"why": "x"}' in caplog.text
    assert (context.get_param("a"), context.get_param("b", 2), context.project, context.is_mock) == (
        1,
        2,
        "p",
        True,
    )


def test_what_is_recorded_is_the_models_choice_and_never_fails_a_request():
    class Stream:
        enabled, hostname, function_uri = True, "host", "p/f"

        def __init__(self):
            self.records = []
            self.output_stream = self

        def push(self, records):
            self.records += records

    class Watched(Echo):
        def logged_results(self, request, response, op):
            return (["in"], None) if op == "predict" else (None, None)

        def predict(self, request):
            self.set_metric("rows", len(request["inputs"]))
            return [1 / row for row in request["inputs"]]

    context = GraphContext()
    context.stream = stream = Stream()
    model = Watched(context, "m:v1")
    model.labels = {"team": "a"}
    model.post_init()
    model.do_event(MockEvent({"inputs": [1], "id": "i"}, path="predict"))
    model.do_event(MockEvent({"inputs": [1, 2]}, path="infer"))
    with pytest.raises(ZeroDivisionError):
        model.do_event(MockEvent({"inputs": [0]}, path="infer", event_id="e"))
    chosen, whole, failed = stream.records
    assert (chosen["request"], chosen["resp"]) == ({"id": "i", "inputs": ["in"]}, {"outputs": []})
    assert (whole["metrics"], whole["labels"], whole["version"]) == ({"rows": 2}, {"team": "a"}, "v1")
    assert chosen["metrics"] == {"rows": 1}
    assert (failed["error"], failed["request"]["id"]) == ("division by zero", "e")
    stream.push = None
    assert model.do_event(MockEvent({"inputs": [1]}, path="infer")).body["outputs"] == [1]


def test_a_stream_waits_for_its_model(monkeypatch):
    from mlrun.serving import v2_serving

    monkeypatch.setattr(v2_serving, "STREAM_POLL_SECONDS", 0.001)
    monkeypatch.setattr(v2_serving, "STREAM_POLLS", 2)
    model = Echo(name="m")
    with pytest.raises(RuntimeError, match="model m is not ready$"):
        model.do_event(MockEvent({"inputs": []}, path="infer", trigger=MockTrigger("kafka")))
    with pytest.raises(RuntimeError, match="not ready yet"):
        model.do_event(MockEvent({"inputs": []}, path="infer"))


def test_a_model_can_be_written_as_a_step():
    model = Echo(name="m", model_path="/x", multiplier=2)
    assert model.to_dict()["class_args"] == {"protocol": "v2", "model_path": "/x", "multiplier": 2}
