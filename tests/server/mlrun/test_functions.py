"""Building functions: what is served is served, and what is not says what to do instead."""

import mlrun
import pytest
from mlrun.serving import V2ModelServer


class Echo(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return request["inputs"]


@pytest.fixture
def fn():
    return mlrun.new_function("f", project="p", kind="serving")


def test_a_function_is_described_as_a_serving_spec(fn):
    fn.add_model("m:v1", "/path", class_name="Echo", x=1)
    fn.set_tracking("kafka://host/topic", 10, 5)
    document = fn.to_dict()
    step = {"kind": "task", "class_name": "Echo", "class_args": {"x": 1, "model_path": "/path"}}
    assert document["graph"]["routes"] == {"m:v1": step}
    assert document["parameters"] == {
        "log_stream": "kafka://host/topic",
        "log_stream_batch": 10,
        "log_stream_sample": 5,
    }


def test_a_model_of_the_same_name_replaces_the_one_before(fn):
    fn.add_model("m", "/1", class_name="Echo")
    fn.add_model("m", "/2", class_name="Echo")
    assert [step.class_args["model_path"] for step in fn.spec.graph.routes.values()] == ["/2"]


def test_classes_are_found_by_name_module_path_or_object(fn):
    fn.add_model("a", ".", class_name="Echo")
    fn.add_model("b", ".", class_name=Echo(multiplier=2))
    fn.add_model("c", ".", class_name=Echo)
    with fn.to_mock_server() as server:
        assert server.models == ["a", "b", "c"]
        assert server.test("/v2/models/b/infer", {"inputs": [1]})["model_name"] == "b"
    with fn.to_mock_server(namespace={"Echo": Echo}) as server:
        assert server.models == ["a", "b", "c"]


def test_resources_are_noted(fn):
    fn.with_limits(mem="1G", cpu=2, gpus=1)
    fn.gpu(2)
    assert fn.spec.resources["limits"] == {"memory": "1G", "cpu": 2, "nvidia.com/gpu": 2}
    fn.spec.readiness_timeout = 300
    fn.set_env("A", 1).apply(lambda function: function)


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (lambda fn: fn.deploy(), NotImplementedError, "hopyard serve"),
        (lambda fn: fn.set_topology("flow"), NotImplementedError, r'set_topology\("router"\)'),
        (
            lambda fn: fn.set_topology("zzz"),
            mlrun.errors.MLRunInvalidArgumentError,
            "unsupported topology zzz",
        ),
        (lambda fn: [fn.set_topology(), fn.set_topology()], ValueError, "already set"),
        (lambda fn: fn.add_model("m", "/x"), ValueError, "class_name must be provided"),
        (lambda fn: fn.add_model("m", "/x", class_name=5), ValueError, "class name must be a string"),
        (lambda fn: fn.add_model("m", model_url="http://x"), NotImplementedError, "model_url"),
        (lambda fn: fn.to_mock_server(), mlrun.errors.MLRunInvalidArgumentError, "nothing to serve"),
        (lambda fn: fn.set_tracking("x", sample=5, sampling_percentage=3), ValueError, "not both"),
        (lambda fn: fn.run(), AttributeError, "run of a serving function is not supported"),
        (lambda fn: mlrun.import_function("hub://x"), NotImplementedError, "add_model"),
        (lambda fn: mlrun.new_function("x", kind="job"), NotImplementedError, 'kind="serving"'),
        (
            lambda fn: mlrun.code_to_function("x", filename="a.ipynb"),
            NotImplementedError,
            "save the notebook",
        ),
        (lambda fn: mlrun.MLClientCtx(), NotImplementedError, "self.context"),
        (lambda fn: mlrun.get_run_db(), AttributeError, "install mlrun"),
        (lambda fn: mlrun.serving.RemoteStep("x"), NotImplementedError, "call the other service"),
        (lambda fn: mlrun.serving.create_graph_server(), NotImplementedError, "to_mock_server"),
        (lambda fn: type("Old", (mlrun.serving.MLModelServer,), {}), NotImplementedError, "V2ModelServer"),
        (lambda fn: type("Mine", (mlrun.serving.ModelRouter,), {}), NotImplementedError, "VotingEnsemble"),
    ],
)
def test_what_is_not_supported_says_what_to_do_when_it_is_used(fn, use, error, said):
    with pytest.raises(error, match=said):
        use(fn)


def test_a_class_that_is_not_there_is_named_with_those_that_are(fn):
    fn.add_model("m", ".", class_name="Ehco")
    with pytest.raises(Exception, match="no class Ehco; the script has .*Echo"):
        fn.to_mock_server()


def test_a_function_may_be_made_of_a_file(tmp_path):
    script = tmp_path / "theirs.py"
    script.write_text(
        "import mlrun\nclass Theirs(mlrun.serving.V2ModelServer):\n    def load(self): pass\n"
        "    def predict(self, request): return ['theirs']\n"
    )
    project = mlrun.get_or_create_project("p")
    fn = project.set_function(str(script), name="f", kind="serving")
    fn.add_model("m", ".", class_name="Theirs")
    with fn.to_mock_server() as server:
        assert server.test("/v2/models/m/infer", {"inputs": []})["outputs"] == ["theirs"]
