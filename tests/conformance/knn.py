"""What the clients of other projects ask: a model of flowers, and of words."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier


class Predict:
    def __init__(self):
        self.model = KNeighborsClassifier(1).fit([[0.0] * 4, [9.0] * 4], [0, 1])
        self.names = np.array(["rose", "iris"])

    def predict(self, inputs):
        if getattr(inputs, "dtype", "") == "object":
            return [word.upper() for word in inputs.ravel()]
        kinds = self.model.predict(inputs)
        return {"kind": kinds.astype("i4"), "name": self.names[kinds]}

    def explain(self, inputs):
        return [{"farthest": float(np.max(row))} for row in inputs]
