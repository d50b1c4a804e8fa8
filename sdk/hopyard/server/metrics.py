"""Counters of one process and their Prometheus text. Kept by the event loop alone, so there are no locks."""

from bisect import bisect_left
from collections.abc import Callable

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Requests by verb and status, their seconds, and gauges read when scraped."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, _Histogram] = {}
        self._read: list[tuple[str, str, str, Callable[[], float]]] = []

    def observe(self, verb: str, status: int, seconds: float) -> None:
        key = (verb, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._seconds.get(verb)
        if histogram is None:
            histogram = self._seconds[verb] = _Histogram()
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.total += seconds

    def watch(self, name: str, kind: str, about: str, read: Callable[[], float]) -> None:
        """Show a value that somebody else keeps."""
        self._read.append((name, kind, about, read))

    def render(self) -> bytes:
        lines = _heading("hopyard_requests_total", "counter", "Requests answered.")
        for (verb, status), count in sorted(self._requests.items()):
            lines.append(f'hopyard_requests_total{{verb="{verb}",status="{status}"}} {count}')
        lines += _heading(
            "hopyard_request_seconds", "histogram", "Seconds from request read to answer written."
        )
        for verb, histogram in sorted(self._seconds.items()):
            lines += histogram.lines("hopyard_request_seconds", verb)
        lines += _heading("hopyard_in_flight", "gauge", "Inferences being made or waiting.")
        lines.append(f"hopyard_in_flight {self.in_flight}")
        for name, kind, about, read in self._read:
            lines += [*_heading(name, kind, about), f"{name} {read():g}"]
        return ("\n".join(lines) + "\n").encode()


class _Histogram:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def lines(self, name: str, verb: str) -> list[str]:
        lines, running = [], 0
        for bound, count in zip((*BUCKETS, "+Inf"), self.counts, strict=True):
            running += count
            lines.append(f'{name}_bucket{{verb="{verb}",le="{bound}"}} {running}')
        lines.append(f'{name}_sum{{verb="{verb}"}} {self.total:.9g}')
        lines.append(f'{name}_count{{verb="{verb}"}} {running}')
        return lines


def _heading(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
