"""Counters of one process and their Prometheus text. Requests are counted by the event loop alone, without a lock;
stages by the threads that run models, with one.

KServe's histograms (`request_predict_seconds` and its siblings, label `model_name`) stand beside our own.
"""

import logging
import os
import re
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hopyard.server import timings

# Those of the Prometheus clients, which KServe's dashboards expect, and finer ones below.
CLIENT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, *CLIENT_BUCKETS, 30.0, 60.0)
STAGES = ("preprocess", "predict", "postprocess", "explain")
_NAMES = {"preprocess": "pre-process", "postprocess": "post-process"}
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

log = logging.getLogger(__name__)


class Histogram:
    """How many observations fell below each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = BUCKETS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def lines(self, name: str, labels: str) -> list[str]:
        lines, running = [], 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            running += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {running}')
        lines.append(f"{name}_sum{{{labels}}} {self.total:.9g}")
        lines.append(f"{name}_count{{{labels}}} {running}")
        return lines


class Counters:
    """Requests of one model and verb: by status, and their seconds."""

    __slots__ = ("labels", "seconds", "statuses")

    def __init__(self, model: str, verb: str) -> None:
        self.labels = f'model="{_escaped(model)}",verb="{_escaped(verb)}"'
        self.seconds = Histogram()
        self.statuses: dict[int, int] = {}

    def observe(self, status: int, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.observe(seconds)


class Metrics:
    """Requests by model, verb and status, their seconds, and gauges read when scraped."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._counters: dict[tuple[str, str], Counters] = {}
        self._stages: dict[tuple[str, str], Histogram] = {}
        self._stages_lock = threading.Lock()
        self._read: list[tuple[str, str, str, Callable[[], float]]] = []

    def counters(self, model: str, verb: str) -> Counters:
        """Return those of a model and verb, made on first use."""
        key = (model, verb)
        if key not in self._counters:
            self._counters[key] = Counters(model, verb)
        return self._counters[key]

    def refused(self, status: int) -> None:
        """Count a request that reached no model."""
        self.counters("", "none").observe(status, 0.0)

    def observe_stage(self, model: str, stage: str, seconds: float) -> None:
        """Count one stage of a request; called by whatever thread runs the model."""
        with self._stages_lock:
            histogram = self._stages.get((model, stage))
            if histogram is None:
                histogram = self._stages[(model, stage)] = Histogram(CLIENT_BUCKETS)
            histogram.observe(seconds)
        timings.note(stage, seconds)

    def watch(self, name: str, kind: str, about: str, read: Callable[[], float]) -> None:
        """Show a value that somebody else keeps."""
        self._read.append((name, kind, about, read))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain values, for a process that adds up several."""
        with self._stages_lock:
            stages = [
                (model, stage, list(each.counts), each.total) for (model, stage), each in self._stages.items()
            ]
        return {
            "in_flight": self.in_flight,
            "counters": [
                (model, verb, list(each.statuses.items()), each.seconds.counts, each.seconds.total)
                for (model, verb), each in self._counters.items()
            ],
            "stages": stages,
            "read": [(name, kind, about, read()) for name, kind, about, read in self._read],
        }

    def render(self) -> bytes:
        """This process alone, as Prometheus text."""
        return render([self.snapshot()])


def render(snapshots: list[Mapping[str, Any]]) -> bytes:
    """Add up the snapshots of several processes and write them as Prometheus text."""
    sum_of = _Sum()
    for snapshot in snapshots:
        sum_of.add(snapshot)
    return sum_of.render()


class _Sum:
    def __init__(self) -> None:
        self.in_flight = 0
        self.counters: dict[tuple[str, str], Counters] = {}
        self.stages: dict[tuple[str, str], Histogram] = {}
        self.read: dict[str, tuple[str, str, float]] = {}

    def add(self, snapshot: Mapping[str, Any]) -> None:
        self.in_flight += snapshot["in_flight"]
        for model, verb, statuses, counts, total in snapshot["counters"]:
            counters = self.counters.setdefault((model, verb), Counters(model, verb))
            for status, count in statuses:
                counters.statuses[status] = counters.statuses.get(status, 0) + count
            _add(counters.seconds, counts, total)
        for model, stage, counts, total in snapshot["stages"]:
            _add(self.stages.setdefault((model, stage), Histogram(CLIENT_BUCKETS)), counts, total)
        for name, kind, about, value in snapshot["read"]:
            before = self.read[name][2] if name in self.read else None
            if before is None:
                merged = value
            elif name.endswith("_ready"):
                merged = min(before, value)
            else:
                merged = before + value
            self.read[name] = (kind, about, merged)

    def render(self) -> bytes:
        lines = _heading("hopyard_requests_total", "counter", "Requests answered.")
        for _, each in sorted(self.counters.items()):
            for status, count in sorted(each.statuses.items()):
                lines.append(f'hopyard_requests_total{{{each.labels},status="{status}"}} {count}')
        about = "Seconds from request read to answer written."
        lines += _heading("hopyard_request_seconds", "histogram", about)
        for _, each in sorted(self.counters.items()):
            lines += each.seconds.lines("hopyard_request_seconds", each.labels)
        for stage in STAGES:
            lines += self._stage(stage)
        lines += _heading("hopyard_in_flight", "gauge", "Inferences being made or waiting.")
        lines.append(f"hopyard_in_flight {self.in_flight}")
        for name, (kind, about, value) in self.read.items():
            lines += [*_heading(name, kind, about), f"{name} {value:.12g}"]
        return ("\n".join(lines) + "\n").encode()

    def _stage(self, stage: str) -> list[str]:
        told = {model: each for (model, name), each in self.stages.items() if name == stage}
        verbs = ("explain",) if stage == "explain" else ("predict", "infer") if stage == "predict" else ()
        for (model, verb), each in self.counters.items():
            # A style without stages: its whole call is the prediction.
            if verb in verbs and model and not any(name == model for name, _ in self.stages):
                histogram = told.setdefault(model, Histogram(CLIENT_BUCKETS))
                _add(histogram, *_coarser(each.seconds))
        name = f"request_{stage}_seconds"
        lines = _heading(name, "histogram", f"{_NAMES.get(stage, stage)} request latency")
        for model, histogram in sorted(told.items()):
            lines += histogram.lines(name, f'model_name="{_escaped(model)}"')
        return lines


def _coarser(histogram: Histogram) -> tuple[list[int], float]:
    """The counts of our buckets, in those of the Prometheus clients."""
    counts = [0] * (len(CLIENT_BUCKETS) + 1)
    for bound, count in zip((*BUCKETS, float("inf")), histogram.counts, strict=True):
        counts[bisect_left(CLIENT_BUCKETS, bound)] += count
    return counts, histogram.total


def _add(histogram: Histogram, counts: list[int], total: float) -> None:
    histogram.counts = [ours + theirs for ours, theirs in zip(histogram.counts, counts, strict=True)]
    histogram.total += total


def _heading(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def logged(text: bytes) -> dict[str, int]:
    """What the inference logs count, of all processes that a text adds up."""
    found = re.findall(rb"(?m)^hopyard_inference_log_([a-z]+?)(?:_total)? (\S+)$", text)
    return {name.decode(): int(float(value)) for name, value in found}


def of_process() -> bytes:
    """Memory, CPU, files and start of this process, under the names of the Prometheus clients."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    told = {
        ("process_cpu_seconds_total", "counter"): (int(fields[11]) + int(fields[12])) / tick,
        ("process_resident_memory_bytes", "gauge"): int(fields[21]) * page,
        ("process_virtual_memory_bytes", "gauge"): int(fields[20]),
        ("process_start_time_seconds", "gauge"): _boot_seconds() + int(fields[19]) / tick,
        ("process_open_fds", "gauge"): sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }
    lines = []
    for (name, kind), value in told.items():
        lines += [*_heading(name, kind, "Of this process."), f"{name} {value:.12g}"]
    return ("\n".join(lines) + "\n").encode()


def of_user() -> bytes:
    """What the script itself registered with the Prometheus client, if it uses it."""
    client = sys.modules.get("prometheus_client")
    if client is None:
        return b""
    try:
        text: bytes = client.generate_latest()
    except Exception:
        log.exception("The script's own metrics cannot be read")
        return b""
    blocks = re.split(rb"(?m)^(?=# HELP )", text)
    return b"".join(
        block for block in blocks if not block.startswith((b"# HELP process_", b"# HELP python_"))
    )


def as_openmetrics(text: bytes) -> bytes:
    """The same in the words of OpenMetrics, where a counter is named without its `_total`."""
    renamed = re.sub(rb"(?m)^(# (?:HELP|TYPE) \S+?)_total ", rb"\1 ", text)
    return renamed + b"# EOF\n"


@cache
def _boot_seconds() -> float:
    stat = Path("/proc/stat").read_text()
    return float(next(line for line in stat.splitlines() if line.startswith("btime")).split()[1])
