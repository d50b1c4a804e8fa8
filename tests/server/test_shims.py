"""Scripts written for Hopsworks run as they are."""

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier

IRIS_KNN = '''
from sklearn.externals import joblib
from hops import hdfs
class Predict(object):

    def __init__(self):
        """ Initializes the serving state, reads a trained model from HDFS"""
        self.model_path = "Models/iris_knn.pkl"
        print("Copying Scikit-Learn model from HDFS to local directory")
        hdfs.copy_to_local(self.model_path)
        print("Reading local Scikit-Learn model for serving")
        self.model = joblib.load("./iris_knn.pkl")
        print("Initialization Complete")


    def predict(self, inputs):
        """ Serves a prediction request usign a trained model"""
        return self.model.predict(inputs).tolist() # Numpy Arrays are not JSON serializable

    def classify(self, inputs):
        """ Serves a classification request using a trained model"""
        return "not implemented"

    def regress(self, inputs):
        """ Serves a regression request using a trained model"""
        return "not implemented"
'''


@pytest.fixture(scope="module")
def iris_artifact(tmp_path_factory):
    directory = tmp_path_factory.mktemp("artifact")
    data = load_iris()
    joblib.dump(KNeighborsClassifier().fit(data.data, data.target), directory / "iris_knn.pkl")
    return directory


def test_the_iris_example_runs_verbatim(serve, iris_artifact):
    server = serve(IRIS_KNN, ARTIFACT_DIR=iris_artifact, BATCHING="on").ready()
    assert server.predict([5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]).json() == {"predictions": [0, 2]}
    assert server.post("/v1/models/iris:classify", json={"inputs": [1]}).json() == {
        "predictions": "not implemented"
    }
    assert "Initialization Complete" in server.log
    assert (server.directory / "iris_knn.pkl").is_file()


COPYING = """
class Predict:
    def __init__(self):
        from hops import hdfs
        hdfs.copy_to_local("Models/weights.bin")
    def predict(self, inputs):
        return open("weights.bin").read()
"""


@pytest.fixture
def artifact(tmp_path):
    directory = tmp_path / "artifact"
    directory.mkdir()
    (directory / "weights.bin").write_text("weights")
    return directory


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "replica"
    directory.mkdir()
    return directory


def test_a_link_to_the_file_in_the_working_directory_is_kept(serve, artifact, directory):
    (directory / "weights.bin").symlink_to(artifact / "weights.bin")
    assert serve(COPYING, directory=directory, ARTIFACT_DIR=artifact).ready().predict(1).status_code == 200
    assert (directory / "weights.bin").is_symlink()


def test_a_link_to_another_file_is_replaced_and_not_written_through(serve, artifact, directory, tmp_path):
    elsewhere = tmp_path / "elsewhere.bin"
    elsewhere.write_text("another model")
    (directory / "weights.bin").symlink_to(elsewhere)
    server = serve(COPYING, directory=directory, ARTIFACT_DIR=artifact).ready()
    assert server.predict(1).json() == {"predictions": "weights"}
    assert elsewhere.read_text() == "another model"


def test_a_file_the_artifact_lacks_is_named_as_the_script_wrote_it(serve, artifact):
    (artifact / "weights.bin").rename(artifact / "other.bin")
    failure = serve(COPYING, ARTIFACT_DIR=artifact).failure()
    assert failure["code"] == "ModelFileMissing"
    assert "Models/weights.bin" in failure["reason"]
    assert "the artifact has other.bin" in failure["reason"]


def test_every_form_of_path_leads_to_the_artifact(serve, artifact):
    script = """
        from hops import hdfs
        class Predict:
            def predict(self, inputs):
                return [[open(hdfs.copy_to_local(path)).read(), hdfs.exists(path)] for path in inputs]
            def classify(self, inputs):
                return hdfs.project_path(), hdfs.exists("Models/none")
    """
    server = serve(script, ARTIFACT_DIR=artifact, PROJECT="demo").ready()
    paths = [
        "Models/iris/1/weights.bin",
        "Models/weights.bin",
        "Models/iris/1/Files/weights.bin",
        "/Projects/demo/Models/iris/1/weights.bin",
        "hdfs://namenode:8020/Projects/demo/Models/iris/1/weights.bin",
        "Resources/weights.bin",
    ]
    assert server.predict(*paths).json() == {"predictions": [["weights", True]] * len(paths)}
    other = server.post("/v1/models/iris:classify", json={"inputs": []})
    assert other.json() == {"predictions": ["/Projects/demo/", False]}


def test_a_real_package_wins_over_its_stand_in(serve, directory):
    (directory / "hops").mkdir()
    (directory / "hops" / "__init__.py").write_text("hdfs = 'the real one'\n")
    script = "from hops import hdfs\nclass Predict:\n    def predict(self, inputs):\n        return hdfs\n"
    assert serve(script, directory=directory).ready().predict(1).json() == {"predictions": "the real one"}


def test_a_directory_is_copied_with_its_files(serve, artifact):
    (artifact / "saved").mkdir()
    (artifact / "saved" / "model.bin").write_text("m")
    script = """
        import os
        from hops import hdfs
        class Predict:
            def predict(self, inputs):
                return os.listdir(hdfs.copy_to_local("Models/iris/1/saved"))
    """
    assert serve(script, ARTIFACT_DIR=artifact).ready().predict(1).json() == {"predictions": ["model.bin"]}
