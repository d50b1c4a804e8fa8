"""What is kept of answered calls: their counts always, and where it is wanted a record of each."""

import logging
from dataclasses import dataclass
from time import time

from hopyard.server.inference_log import InferenceLog, Record
from hopyard.server.metrics import Metrics

log = logging.getLogger(__name__)


class Books:
    """Where calls are counted and logged; one for all calls of a server."""

    __slots__ = ("latency_logging", "log", "metrics")

    def __init__(
        self, metrics: Metrics, inference_log: InferenceLog | None, *, latency_logging: bool = False
    ) -> None:
        self.metrics = metrics
        self.log = inference_log
        self.latency_logging = latency_logging

    @property
    def are_detailed(self) -> bool:
        """Whether more is kept of a call than its status and seconds."""
        return self.log is not None or self.latency_logging

    def write(self, entry: "Entry", *, inputs: bytes, outputs: bytes) -> None:
        """Log one call that was answered; nothing here can change its answer any more."""
        if self.latency_logging:
            milliseconds = entry.seconds * 1000
            log.info("requestId: %s, %s_ms: %.3f", entry.request_id, entry.verb, milliseconds)
        if self.log is not None:
            self.log.put(
                Record(
                    request_id=entry.request_id,
                    verb=entry.verb,
                    status=entry.status,
                    requested_at=int((time() - entry.seconds) * 1000),
                    duration_us=int(entry.seconds * 1_000_000),
                    inputs=inputs,
                    outputs=b"" if entry.error else outputs,
                    error=entry.error,
                    key_id=entry.key_id,
                )
            )


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered call."""

    request_id: str
    verb: str
    status: int
    seconds: float
    error: str | None
    key_id: str | None
