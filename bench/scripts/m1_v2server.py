"""The nearest neighbours of `m1.py` as an MLRun model server."""

import os
from pathlib import Path

import joblib
import numpy as np
from mlrun.serving import V2ModelServer


class Iris(V2ModelServer):
    def load(self):
        self.model = joblib.load(Path(os.environ["ARTIFACT_FILES_PATH"]) / "m1.joblib")

    def predict(self, body):
        return self.model.predict(np.asarray(body["inputs"], dtype=np.float64)).tolist()
