"""BentoML with a batchable endpoint, in one worker."""

import bentoml
import numpy as np
from models import MAX_BATCH, served


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, traffic={"timeout": 60})
class Service:
    def __init__(self) -> None:
        self.answer = served()

    @bentoml.api(route="/predict", batchable=True, max_batch_size=MAX_BATCH)
    def predict(self, instances: np.ndarray) -> np.ndarray:
        return np.asarray(self.answer(instances))
