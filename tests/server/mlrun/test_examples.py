"""The examples of MLRun's documentation run as they are written."""

import re
from pathlib import Path

import cloudpickle
import pytest
from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier

CLASSIFIER, TRIED, TRIED_OLDER, FUNCTION, TRACKING, CREDENTIALS = re.findall(
    r"```py(?:thon)?\n(.*?)```", (Path(__file__).parent / "examples.md").read_text(), re.DOTALL
)
IRIS = load_iris()


@pytest.fixture
def artifact(tmp_path):
    directory = tmp_path / "artifact"
    directory.mkdir()
    model = KNeighborsClassifier(1).fit(IRIS.data, IRIS.target)
    (directory / "model.pkl").write_bytes(cloudpickle.dumps(model))
    return directory


def test_the_minimal_example_is_served(serve, artifact):
    server = serve(CLASSIFIER, ARTIFACT_DIR=artifact).ready()
    rows = IRIS.data[[0, 60, 140]].tolist()
    answer = server.post("/v2/models/iris/infer", json={"inputs": rows}).json()
    assert list(answer) == ["id", "model_name", "outputs", "timestamp"]
    assert answer["model_name"] == "iris"
    assert answer["outputs"] == [0, 1, 2]
    assert server.predict(*rows).json() == {"predictions": [0, 1, 2]}


# The example opens its file in an argument, and never closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tried", [TRIED, TRIED_OLDER])
def test_the_local_mock_server_example_runs(artifact, monkeypatch, tried):
    monkeypatch.chdir(artifact.parent)
    for path in ("<path1>", "<path2>"):
        (artifact.parent / path).symlink_to(artifact)
    names: dict = {"__name__": "notebook"}
    exec(CLASSIFIER + tried, names)
    with names["server"]:
        assert names["result"]["model_name"] == "model1"
        assert names["result"]["outputs"] == IRIS.target.tolist()


MY_CLASS = """
import mlrun
class MyClass(mlrun.serving.V2ModelServer):
    def load(self):
        self.file, self.extra = self.get_model(".pkl")
    def predict(self, request):
        return [self.get_param("x") + len(self.extra)]
"""


def test_a_script_that_makes_a_function_of_itself_is_served(serve, artifact):
    (artifact.parent / "replica").mkdir()
    directory = artifact.parent / "replica" / "<model-artifact"
    directory.mkdir()
    (directory / "dir>").symlink_to(artifact)
    monitored = FUNCTION + 'stream_path, batch, sample = "v3io:///users/x", 10, 5\n' + TRACKING
    monitored += "import mlrun\nproject = mlrun.get_or_create_project('p')\n" + CREDENTIALS
    server = serve(MY_CLASS + monitored, directory=artifact.parent / "replica").ready()
    assert server.post("/v2/models/m1/infer", json={"inputs": []}).json()["outputs"] == [101]
    assert server.get("/v2/models").json() == {"models": ["m1"]}
