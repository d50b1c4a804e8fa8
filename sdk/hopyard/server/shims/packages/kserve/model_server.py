"""`kserve.model_server`: a script's own way of starting its server, here a word with the server that runs it."""

import logging
import os
import signal
from collections.abc import Callable
from typing import Any

from . import command_line
from .model_repository import ModelRepository
from .predictor_config import PredictorConfig

parser = command_line.parser()
args = command_line.args()

log = logging.getLogger("kserve")


class App:
    """Stands where KServe has its web framework's application. What is added to it is not run."""

    def add_middleware(self, middleware: Any, **options: Any) -> None:
        """Say that a middleware is not run."""
        name = getattr(middleware, "__name__", middleware)
        log.warning("The middleware %s is not run by this server; put it into the gateway before it.", name)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"kserve.model_server.app has no {name} here: requests are not answered by FastAPI. "
            "Install kserve and fastapi in the environment if the script needs that application."
        )


app = App()


class ModelServer:
    """`start(models)` serves until the server is told to stop. Ports and processes are the server's own."""

    def __init__(  # noqa: PLR0913, PLR0917 - the published constructor
        self,
        http_port: int = args.http_port,
        grpc_port: int = args.grpc_port,
        workers: int = args.workers,
        max_threads: int = args.max_threads,
        max_asyncio_workers: int | None = args.max_asyncio_workers,
        registered_models: ModelRepository | None = None,
        enable_grpc: bool = args.enable_grpc,
        enable_docs_url: bool = args.enable_docs_url,
        enable_latency_logging: bool = args.enable_latency_logging,
        access_log_format: str | None = args.access_log_format,
        predictor_config: PredictorConfig | None = None,
        **settings: Any,
    ) -> None:
        self.http_port = http_port
        self.grpc_port = grpc_port
        self.workers = workers
        self.max_threads = max_threads
        self.max_asyncio_workers = max_asyncio_workers
        self.registered_models = registered_models or ModelRepository()
        self.enable_grpc = enable_grpc
        self.enable_docs_url = enable_docs_url
        self.enable_latency_logging = enable_latency_logging
        self.access_log_format = access_log_format
        self.predictor_config = predictor_config
        self.settings = settings

    def start(self, models: Any) -> None:
        """Serve a list of models, or a dict of deployments by name; returns when the server stops.

        Models that are not ready are left out. Raises NoModelReady if that leaves none, ValueError for a model
        without a name, RuntimeError for anything that is no model.
        """
        from hopyard.server.flavors.kserve import hosting

        hosting.start(self, models)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """Tell the server to stop."""
        os.kill(os.getpid(), signal.SIGTERM)

    def register_model(self, model: Any, name: str | None = None) -> None:
        """Serve a model under its own name, or another as well. Raises ValueError for one without a name."""
        if not model.name:
            raise ValueError("Failed to register model, model.name must be provided.")
        self.registered_models.update(model, name or model.name)

    def register_exception_handler(self, handler: Callable[..., Any]) -> None:
        """Accepted, and not called: the event loop is the server's."""
