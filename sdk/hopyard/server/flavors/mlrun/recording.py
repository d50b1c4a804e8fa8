"""Records of calls in MLRun's layout, pushed to a stream, that never fail a call.

A recorder stands at `_model_logger` of a V2ModelServer, that of this package's stand-in or of an installed MLRun. Where
MLRun errs it does better: `microsec` is all the time a call took, the rows of a batch have their own metrics, what is
sampled is a copy, and the last rows of a batch are pushed after some seconds and when the server stops.
"""

import logging
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from random import random
from typing import Any

from hopyard.server.flavors.mlrun.policy import Policy

HEADERS = ("request", "op", "resp", "when", "microsec", "metrics")
FLUSH_SECONDS = 5.0

log = logging.getLogger(__name__)


class Recorder:
    """Pushes records of one model to a stream's `output_stream`, which has `push(list)`."""

    def __init__(self, model: Any, stream: Any, policy: Policy | None = None) -> None:
        self._model = model
        self._stream = stream
        self._policy = policy or Policy.of(model)
        self._lock = threading.Lock()
        self._calls = 0
        self._rows: list[list[Any]] = []
        self._timer: threading.Timer | None = None
        if self._policy.batch > 1 and (before_closing := getattr(self._sink, "before_closing", None)):
            before_closing(self.flush)

    def record(self, started: datetime, request: Any, response: Any, op: str | None) -> None:
        """Record one answer, or what the model's `logged_results` makes of it."""
        try:
            inputs, outputs = self._model.logged_results(request, response, op)
        except Exception:
            log.exception("A call could not be recorded: logged_results failed")
            return
        if inputs is not None or outputs is not None:
            identity = response.get("id") if isinstance(response, Mapping) else None
            request, response = {"id": identity, "inputs": inputs or []}, {"outputs": outputs or []}
        self.push(started, request, response, op)

    def push(
        self,
        start: datetime,
        request: Any,
        resp: Any = None,
        op: str | None = None,
        error: Any = None,
        partition_key: str | None = None,
    ) -> None:
        """Record one call, as MLRun's own pusher is asked to; an error whatever the sample and the batch are."""
        try:
            if error is not None:
                self._push_error(start, request, op, error)
            else:
                self._push(start, request, resp, op)
        except Exception:
            log.exception("A call could not be recorded")

    def flush(self) -> None:
        """Push the rows that wait for others."""
        try:
            with self._lock:
                self._flush()
        except Exception:
            log.exception("Calls could not be recorded")

    @property
    def _sink(self) -> Any:
        return self._stream.output_stream

    def _push(self, start: datetime, request: Any, resp: Any, op: str | None) -> None:
        if not self._is_sampled():
            return
        request, resp, count = self._sampled_rows(request, resp)
        if not count:
            return
        took = int((datetime.now(UTC) - start).total_seconds() * 1_000_000)
        metrics = dict(self._model.metrics) if getattr(self._model, "metrics", None) else {}
        values = (self._kept("request", request), op, self._kept("resp", resp), _when(start), took, metrics)
        if self._policy.batch > 1:
            self._add(list(values))
            return
        call = dict(zip(HEADERS, values, strict=True))
        if not metrics:
            del call["metrics"]
        if self._policy.percentage < 100:
            call["effective_sample_count"] = count
        self._sink.push([self._base() | call])

    def _push_error(self, start: datetime, request: Any, op: str | None, error: Any) -> None:
        said = str(error)
        if getattr(getattr(self._model, "context", None), "verbose", False):
            said += "\n" + "".join(traceback.format_exception(error)).strip()
        call = {"request": self._kept("request", request), "op": op, "when": _when(start), "error": said}
        self._sink.push([self._base() | call])

    def _is_sampled(self) -> bool:
        takes = getattr(self._sink, "takes", None)
        if takes is not None and not takes():
            return False
        with self._lock:
            self._calls += 1
            return self._calls % self._policy.sample == 0

    def _sampled_rows(self, request: Any, resp: Any) -> tuple[Any, Any, int]:
        """Copies with some of the inputs, and the outputs that belong to them; and how many they are."""
        inputs = request.get("inputs") if isinstance(request, Mapping) else None
        if self._policy.percentage >= 100 or not isinstance(inputs, list):
            return request, resp, 1
        percentage = self._policy.percentage
        chosen = [number for number in range(len(inputs)) if random() * 100 < percentage]  # noqa: S311
        request = {**request, "inputs": [inputs[number] for number in chosen]}
        outputs = resp.get("outputs") if isinstance(resp, Mapping) else None
        if isinstance(outputs, list) and len(outputs) == len(inputs):
            resp = {**resp, "outputs": [outputs[number] for number in chosen]}
        return request, resp, len(chosen)

    def _kept(self, name: str, value: Any) -> Any:
        kept = getattr(self._sink, "kept", None)
        return value if kept is None else kept(name, value)

    def _base(self) -> dict[str, Any]:
        model, stream = self._model, self._stream
        name, _, version = str(model.name or "").partition(":")
        found = {
            "class": type(model).__name__,
            "worker": getattr(getattr(model, "context", None), "worker_id", 0),
            "model": name,
            "version": getattr(model, "version", version),
            "host": stream.hostname,
            "function_uri": stream.function_uri,
        }
        more = {
            "labels": getattr(model, "labels", None),
            "endpoint_id": getattr(model, "model_endpoint_uid", None),
            "sampling_percentage": self._percentage(),
        }
        return found | {key: value for key, value in more.items() if value}

    def _percentage(self) -> float | None:
        """How many of a hundred are recorded, where somebody asked for less than all."""
        percent = self._policy.percentage * getattr(self._sink, "percent", 100.0) / 100
        return percent if percent < 100 else None

    def _add(self, row: list[Any]) -> None:
        with self._lock:
            self._rows.append(row)
            if len(self._rows) >= self._policy.batch:
                self._flush()
            elif self._timer is None:
                self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def _flush(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        rows, self._rows = self._rows, []
        if rows:
            self._sink.push([self._base() | {"headers": list(HEADERS), "values": rows}])


def _when(start: datetime) -> str:
    return start.isoformat(" ", "microseconds")
