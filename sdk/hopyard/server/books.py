"""What is kept of answered calls: their counts always, and where it is wanted a record of each."""

import logging

from hopyard.server.inference_log.log import InferenceLog
from hopyard.server.metrics import Metrics

log = logging.getLogger(__name__)


class Books:
    """Where calls are counted and logged; one for all calls of a server. `redacts`: some of what calls hold is not to
    be told to anybody but their callers.
    """

    __slots__ = ("latency_logging", "log", "metrics", "redacts")

    def __init__(
        self,
        metrics: Metrics,
        inference_log: InferenceLog | None,
        *,
        latency_logging: bool = False,
        redacts: bool = False,
    ) -> None:
        self.metrics = metrics
        self.log = inference_log
        self.latency_logging = latency_logging
        self.redacts = redacts

    def tell_latency(self, request_id: str, verb: str, seconds: float) -> None:
        """KServe's line for a call."""
        log.info("requestId: %s, %s_ms: %.3f", request_id, verb, seconds * 1000)
