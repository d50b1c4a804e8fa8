"""A KServe custom predictor for V1, V2 REST (JSON and binary) and V2 gRPC; `BENCH_GRPC_PORT` turns gRPC on."""

import logging
import os
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from models import NAME, PORT, served


class Predictor(Model):
    def __init__(self) -> None:
        super().__init__(NAME)
        self.answer = served()
        self.ready = True

    def predict(self, payload: Any, headers: Any = None) -> Any:
        if not isinstance(payload, InferRequest):
            return {"predictions": self.answer(payload["instances"])}
        answers = self.answer(payload.inputs[0].as_numpy())
        output = InferOutput("output-0", [len(answers)], "FP64", data=[float(each) for each in answers])
        return InferResponse(payload.id or "", NAME, [output])


if __name__ == "__main__":
    grpc_port = int(os.environ.get("BENCH_GRPC_PORT", "0"))
    server = ModelServer(
        http_port=PORT,
        grpc_port=grpc_port or 8081,
        enable_grpc=bool(grpc_port),
        enable_latency_logging=False,
        workers=1,
    )
    logging.getLogger("kserve").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    server.start([Predictor()])
