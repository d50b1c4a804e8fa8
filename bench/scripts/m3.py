"""The mean of each image of 3x224x224 floats: what it costs to carry a large body."""

import numpy as np


class Predict:
    def predict(self, inputs: np.ndarray):
        images = np.asarray(inputs, dtype=np.float32)
        return images.reshape(len(images), -1).mean(axis=1).tolist()
