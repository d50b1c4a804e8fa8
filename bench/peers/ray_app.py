"""Ray Serve with `@serve.batch`, one replica."""

import os
import time
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from models import BATCH_SECONDS, MAX_BATCH, PORT, cut, served
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})
class Service:
    def __init__(self) -> None:
        self.answer = served()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=BATCH_SECONDS)
    async def together(self, asked: list[list[Any]]) -> list[list[Any]]:
        answers = self.answer([row for rows in asked for row in rows])
        return cut(answers, [len(rows) for rows in asked])

    async def __call__(self, request: Request) -> dict[str, Any]:
        return {"predictions": await self.together((await request.json())["instances"])}


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=256 * 2**20, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.run(Service.bind(), name="app", route_prefix="/", logging_config=quiet)
    while True:
        time.sleep(3600)
