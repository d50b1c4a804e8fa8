"""Records of requests for a tracking stream, one for each, that never fail the request."""

import logging
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)


class Recorder:
    """Pushes records of one model to a stream's `output_stream`, which has `push(list)`."""

    def __init__(self, model: Any, stream: Any) -> None:
        self._model = model
        self._stream = stream

    def push(self, started: datetime, request: Any, response: Any, op: str) -> None:
        """Record one answer; `microsec` is all the time it took."""
        try:
            inputs, outputs = self._model.logged_results(request, response, op)
            if inputs is not None or outputs is not None:
                identity = response.get("id") if isinstance(response, dict) else None
                request = {"id": identity, "inputs": inputs or []}
                response = {"outputs": outputs or []}
            took = datetime.now(UTC) - started
            record = self._record(started, request, op)
            record |= {"resp": response, "microsec": int(took.total_seconds() * 1_000_000)}
            if self._model.metrics:
                record["metrics"] = dict(self._model.metrics)
            self._stream.output_stream.push([record])
        except Exception:
            log.exception("A request could not be recorded")

    def push_error(self, started: datetime, request: Any, op: str, error: Exception) -> None:
        """Record one failure."""
        try:
            self._stream.output_stream.push([{**self._record(started, request, op), "error": str(error)}])
        except Exception:
            log.exception("A failed request could not be recorded")

    def _record(self, started: datetime, request: Any, op: str) -> dict[str, Any]:
        model = self._model
        record = {
            "class": type(model).__name__,
            "worker": getattr(model.context, "worker_id", 0),
            "model": model.name,
            "version": model.version,
            "host": self._stream.hostname,
            "function_uri": self._stream.function_uri,
            "request": request,
            "op": op,
            "when": str(started),
        }
        return {**record, "labels": model.labels} if model.labels else record
