"""LitServe with its batching: rows of several requests are predicted together and given back."""

from typing import Any

import litserve
from models import BATCH_SECONDS, MAX_BATCH, NAME, PORT, cut, served


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.answer = served()
        self.lengths: list[int] = []

    def decode_request(self, request: dict[str, Any]) -> list[Any]:
        return request["instances"]

    def batch(self, inputs: list[list[Any]]) -> list[Any]:
        self.lengths = [len(rows) for rows in inputs]
        return [row for rows in inputs for row in rows]

    def predict(self, rows: list[Any]) -> list[Any]:
        return self.answer(rows)

    def unbatch(self, output: list[Any]) -> list[list[Any]]:
        return cut(output, self.lengths)

    def encode_response(self, output: list[Any]) -> dict[str, Any]:
        return {"predictions": output}


if __name__ == "__main__":
    path = f"/v1/models/{NAME}:predict"
    api = Api(api_path=path, max_batch_size=MAX_BATCH, batch_timeout=BATCH_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(
        port=PORT, num_api_servers=1, log_level="warning", generate_client_file=False, access_log=False
    )
