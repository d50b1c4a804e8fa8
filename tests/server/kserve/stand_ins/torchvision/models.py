"""torchvision.models"""

import numpy as np
from torch import Tensor


class _Sums:
    """One score per class: the sum of the image, times the number of the class."""

    def eval(self):
        return self

    def __call__(self, images):
        sums = images.values.reshape(len(images.values), -1).sum(axis=1)
        return Tensor(sums[:, None] * np.arange(10))


def alexnet(pretrained):
    assert pretrained
    return _Sums()
