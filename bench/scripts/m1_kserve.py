"""The nearest neighbours of `m1.py` as a KServe custom predictor."""

import os
from pathlib import Path

import joblib
import numpy as np
from kserve import Model, ModelServer


class Iris(Model):
    def load(self):
        self.model = joblib.load(Path(os.environ["ARTIFACT_FILES_PATH"]) / "m1.joblib")
        self.ready = True

    def predict(self, payload, headers=None):
        rows = np.asarray(payload["instances"], dtype=np.float64)
        return {"predictions": self.model.predict(rows).tolist()}


if __name__ == "__main__":
    iris = Iris("m1")
    iris.load()
    ModelServer().start([iris])
