"""An MLServer runtime; run as a program it writes the repository MLServer wants and becomes MLServer."""

import json
import os
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import models
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


def repository() -> Path:
    """One process, and adaptive batching if asked for: MLServer's fastest ways on one core."""
    root = Path(mkdtemp(prefix="bench-mlserver-"))
    settings = {
        "host": "127.0.0.1",
        "http_port": models.PORT,
        "grpc_port": models.PORT + 1000,
        "metrics_port": models.PORT + 2000,
        "parallel_workers": 0,
        "debug": False,
    }
    model: dict[str, Any] = {"name": models.NAME, "implementation": "mlserver_runtime.Runtime"}
    if models.BATCHED:
        model |= {"max_batch_size": models.MAX_BATCH, "max_batch_time": models.BATCH_SECONDS}
    (root / "settings.json").write_text(json.dumps(settings))
    (root / "model-settings.json").write_text(json.dumps(model))
    return root


class Runtime(MLModel):
    async def load(self) -> bool:
        self.answer = models.served()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        answers = self.answer(NumpyCodec.decode_input(payload.inputs[0]))
        output = ResponseOutput(name="output-0", shape=[len(answers), 1], datatype="FP64", data=answers)
        return InferenceResponse(model_name=self.name, outputs=[output])


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    program = str(Path(sys.executable).parent / "mlserver")
    os.execv(program, [program, "start", str(repository())])
