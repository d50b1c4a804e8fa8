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


@pytest.mark.parametrize("batching", ["on", "off"])
def test_the_iris_example_runs_verbatim(serve, iris_artifact, batching):
    server = serve(IRIS_KNN, name="iris.py", ARTIFACT_DIR=iris_artifact, BATCHING=batching).ready()
    assert server.predict([5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]).json() == {"predictions": [0, 2]}
    assert server.post("/v1/models/iris:classify", json={"inputs": [1]}).json() == {
        "predictions": "not implemented"
    }
    assert "Initialization Complete" in server.log
    assert (server.directory / "iris_knn.pkl").is_file()


def test_a_link_to_the_file_in_the_working_directory_is_kept(serve, iris_artifact, tmp_path):
    directory = tmp_path / "replica"
    directory.mkdir()
    (directory / "iris_knn.pkl").symlink_to(iris_artifact / "iris_knn.pkl")
    serve(IRIS_KNN, directory=directory, ARTIFACT_DIR=iris_artifact).ready()
    assert (directory / "iris_knn.pkl").is_symlink()


def test_an_older_copy_in_the_working_directory_is_replaced(serve, iris_artifact, tmp_path):
    directory, elsewhere = tmp_path / "replica", tmp_path / "elsewhere.pkl"
    directory.mkdir()
    elsewhere.write_bytes(b"another model")
    (directory / "iris_knn.pkl").symlink_to(elsewhere)
    serve(IRIS_KNN, directory=directory, ARTIFACT_DIR=iris_artifact).ready()
    assert elsewhere.read_bytes() == b"another model"


def test_a_file_the_artifact_lacks_is_named_as_the_script_wrote_it(serve, tmp_path):
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "other.pkl").touch()
    failure = serve(IRIS_KNN, ARTIFACT_DIR=artifact).failure()
    assert failure["code"] == "ModelFileMissing"
    assert "Models/iris_knn.pkl" in failure["reason"]
    assert "the artifact has other.pkl" in failure["reason"]


@pytest.mark.parametrize(
    "path",
    [
        "Models/iris/1/weights.bin",
        "Models/weights.bin",
        "Models/iris/1/Files/weights.bin",
        "/Projects/demo/Models/iris/1/weights.bin",
        "hdfs://namenode:8020/Projects/demo/Models/iris/1/weights.bin",
        "Resources/weights.bin",
    ],
)
def test_every_form_of_path_leads_to_the_artifact(serve, tmp_path, path):
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "weights.bin").write_text("weights")
    script = f"""
        from hops import hdfs
        class Predict:
            def __init__(self):
                self.local = hdfs.copy_to_local({path!r})
            def predict(self, inputs):
                found = hdfs.exists({path!r}), hdfs.exists("Models/none"), hdfs.project_path()
                return [open(self.local).read(), *found]
    """
    server = serve(script, ARTIFACT_DIR=artifact, PROJECT="demo").ready()
    assert server.predict(1).json() == {"predictions": ["weights", True, False, "/Projects/demo/"]}


def test_a_real_package_wins_over_its_stand_in(serve, tmp_path):
    directory = tmp_path / "replica"
    (directory / "hops").mkdir(parents=True)
    (directory / "hops" / "__init__.py").write_text("hdfs = 'the real one'\n")
    script = "from hops import hdfs\nclass Predict:\n    def predict(self, inputs):\n        return hdfs\n"
    assert serve(script, directory=directory).ready().predict(1).json() == {"predictions": "the real one"}


def test_a_directory_is_copied_with_its_files(serve, tmp_path):
    artifact = tmp_path / "artifact"
    (artifact / "saved").mkdir(parents=True)
    (artifact / "saved" / "model.bin").write_text("m")
    script = """
        import os
        from hops import hdfs
        class Predict:
            def predict(self, inputs):
                return os.listdir(hdfs.copy_to_local("Models/iris/1/saved"))
    """
    assert serve(script, ARTIFACT_DIR=artifact).ready().predict(1).json() == {"predictions": ["model.bin"]}
