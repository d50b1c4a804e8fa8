"""Serves the iris classifier that `demo.py` trains."""

import os

import joblib


class Predict:
    def __init__(self):
        self.model = joblib.load(os.path.join(os.environ["MODEL_FILES_PATH"], "iris_knn.pkl"))

    def predict(self, inputs):
        """Rows of sepal length and width, petal length and width in cm; the species' number for each."""
        return self.model.predict(inputs).tolist()

    def classify(self, inputs):
        """The probability of each of the three species, a row for each row."""
        return self.model.predict_proba(inputs).tolist()

    def regress(self, inputs):
        raise NotImplementedError("species are classes, not numbers; use predict or classify")
