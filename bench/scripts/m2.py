"""A forest of 100 trees on 30 features: a costly model."""

import os
from pathlib import Path

import joblib
import numpy as np


class Predict:
    def __init__(self):
        self.model = joblib.load(Path(os.environ["ARTIFACT_FILES_PATH"]) / "m2.joblib")

    def predict(self, inputs):
        return self.model.predict(np.asarray(inputs, dtype=np.float64)).tolist()
