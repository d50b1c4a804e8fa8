"""What a V2ModelServer finds at `self.context`: a logger, parameters, secrets, and the server it is in."""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

from hopyard.server.config import exported_project
from hopyard.server.flavors.mlrun.events import Response
from hopyard.server.inference_log.mlrun import Messages


class Logger:
    """A logger whose keyword arguments are written behind the message, as JSON."""

    def __init__(self, name: str = "mlrun") -> None:
        self._log = logging.getLogger(name)

    def debug(self, message: Any, *args: Any, **more: Any) -> None:
        self._write(logging.DEBUG, message, args, more)

    def info(self, message: Any, *args: Any, **more: Any) -> None:
        self._write(logging.INFO, message, args, more)

    def warning(self, message: Any, *args: Any, **more: Any) -> None:
        self._write(logging.WARNING, message, args, more)

    def error(self, message: Any, *args: Any, **more: Any) -> None:
        self._write(logging.ERROR, message, args, more)

    def exception(self, message: Any, *args: Any, **more: Any) -> None:
        self._write(logging.ERROR, message, args, {"exc_info": True, **more})

    warn = warning
    debug_with = debug
    info_with = info
    warn_with = warning
    warning_with = warning
    error_with = error

    def set_logger_level(self, level: str) -> None:
        self._log.setLevel(level.upper())

    def _write(self, level: int, message: Any, args: tuple[Any, ...], more: dict[str, Any]) -> None:
        if not self._log.isEnabledFor(level):
            return
        exc_info = more.pop("exc_info", None)
        tail = f" {json.dumps(more, default=str)}" if more else ""
        said = message % args if args else message
        self._log.log(level, "%s%s", said, tail, exc_info=exc_info)


class Stream:
    """Where records of requests go: nowhere unless a list of them is wanted."""

    enabled = False
    hostname = ""
    function_uri = ""
    stream_uri = ""
    output_stream: Any = None

    @classmethod
    def of(cls, messages: Messages, *, stream_uri: str) -> "Stream":
        """The stream of a server whose topic takes the records."""
        stream = cls()
        stream.enabled = True
        stream.hostname, stream.function_uri = messages.host, messages.function_uri
        stream.stream_uri, stream.output_stream = stream_uri, messages
        return stream


class FunctionServer:
    """As much of the hosting server as classes look at."""

    def __init__(self, function_uri: str = "") -> None:
        self.function_uri = function_uri
        self.track_models = False


class Context:
    """The context of one served function. Attributes of one's own may be set on it.

    It says that it is a mock, so that classes of an installed MLRun register nothing with an MLRun API.
    """

    Response = Response
    is_mock = True
    monitoring_mock = False
    trigger = "http"
    verbose = False
    worker_id = 0
    current_function = "*"
    executor: Any = None
    root: Any = None
    state: Any = None

    def __init__(self, parameters: Mapping[str, Any] | None = None, *, project: str = "") -> None:
        self.logger = Logger()
        self.project = project or exported_project()
        self.server = self._server = FunctionServer()
        self.stream = Stream()
        self._parameters = dict(parameters or {})

    def get_param(self, key: str, default: Any = None) -> Any:
        """A parameter of the function."""
        return self._parameters.get(key, default)

    def get_secret(self, key: str) -> str | None:
        """A secret of the serving: the environment variable of that name; None if there is none."""
        return os.environ.get(key)

    def push_error(self, event: Any, message: str, source: str | None = None, **more: Any) -> None:
        """Log an error of an event."""
        self.logger.error(message, source=source, **more)

    def get_store_resource(self, uri: str, use_cache: bool = True) -> Any:
        raise NotImplementedError(f"{uri} is in an MLRun store; put what is needed into the model's files.")

    def get_table(self, name: str, *args: Any, **more: Any) -> Any:
        raise NotImplementedError(f"The table {name} is in MLRun's feature store, which is not hosted here.")

    def get_remote_endpoint(self, name: str, external: bool = True) -> str:
        raise NotImplementedError(f"{name} is another MLRun function; ask it at its URL.")
