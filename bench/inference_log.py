"""What the inference log costs a serving process: our server without it and with it, in turns, in one run.

    python bench/inference_log.py                                     to a folder
    python bench/inference_log.py --kafka 127.0.0.1:9092              to a folder, and to a broker that is there already
    python bench/inference_log.py --one-core                          the shipper shares the serving process's core
    python bench/inference_log.py --stranger                          and beside each pair what the machine itself costs

A model of scikit-learn (m1), one row a request. The load has core 1 and the serving process core 0; the shipper, a
process of its own at a low priority, may use both, or core 0 alone. Each sample without the log stands beside one with
it; the order turns around each time. After each sample the records are waited for, and in the end they are counted.

With `--stranger` the server without a log is measured a second time beside a process that has nothing to do with it and
uses as much CPU as the shipper just did, at its priority: what is lost then too is the machine's cores, not the log.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import home
from load import CLIENT_CORE, Load
from servers import SERVER_CORE, Server
from targets import Target, hopyard

MODEL = "m1"
FIRST_PORT = 19600
SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """`cpu_us`: CPU time of the serving process for a request; `shipper_us`: of the shipper for its record."""

    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    shipper_us: float

    @property
    def shipper_share(self) -> float:
        """Of one core."""
        return self.shipper_us * self.rps / 1e6


BUSY = """
import json, os, sys, time
os.nice(10)
document, share = [{"a": number, "b": str(number)} for number in range(100)], float(sys.argv[1])
while True:
    began, ends = time.thread_time(), time.monotonic() + 0.02
    while time.thread_time() - began < share * 0.02:
        json.loads(json.dumps(document))
    time.sleep(max(0.0, ends - time.monotonic()))
"""


@contextmanager
def stranger(share: float) -> Iterator[None]:
    """A process that uses so much of one core, on whichever."""
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(share)], start_new_session=True)
    try:
        os.sched_setaffinity(process.pid, {int(SERVER_CORE), int(CLIENT_CORE)})
        with suppress(OSError):  # as the shipper has it where Linux groups by session
            Path(f"/proc/{process.pid}/autogroup").write_text("10")
        time.sleep(0.3)
        yield
    finally:
        process.kill()
        process.wait()


class Measured:
    """A server that is started, and what was seen of it; in `pairs` each sample is before the one without a log."""

    def __init__(self, name: str, server: Server, *, one_core: bool) -> None:
        self.name = name
        self.samples: list[Sample] = []
        self.pairs: list[tuple[Sample, Sample]] = []
        self.requests = 0
        self._server = server
        self._main = min(server.pids())
        if not one_core:
            for pid in self._shippers():
                os.sched_setaffinity(pid, {int(SERVER_CORE), int(CLIENT_CORE)})

    def twin(self, name: str) -> "Measured":
        """The same server, of which other samples are taken."""
        return Measured(name, self._server, one_core=True)

    def sample(self, connections: int, seconds: float) -> None:
        self._server.thaw()
        self._server.settle()
        mine, shipper = self._cpu()
        seen = self._server.measure(connections, seconds)
        if seen.errors:
            sys.exit(f"{self.name}: {seen.errors} wrong answers")
        after = self._cpu()[0]
        self.drain()
        self._server.freeze()
        self.requests += seen.requests
        self.samples.append(_sample(seen, after - mine, self._cpu()[1] - shipper))

    def counts(self) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=10)
        connection.request("GET", "/v2/health/ready")
        document = json.loads(connection.getresponse().read())
        connection.close()
        found: dict[str, int] = document.get("inference_log", {})
        return found

    def drain(self) -> None:
        """Wait until no record is on its way."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.counts().get("waiting") and time.monotonic() < deadline:
            time.sleep(0.05)

    def finish(self) -> None:
        self._server.thaw()
        time.sleep(1.5)  # the shipper counts once a second
        self.drain()

    def _shippers(self) -> list[int]:
        return [pid for pid in self._server.pids() if pid != self._main]

    def _cpu(self) -> tuple[float, float]:
        return _cpu_seconds(self._main), sum(map(_cpu_seconds, self._shippers()))


def _sample(seen: Load, mine: float, shipper: float) -> Sample:
    each = 1e6 / max(seen.requests, 1)
    return Sample(seen.requests / seen.seconds, seen.p50_ms, seen.p99_ms, mine * each, shipper * each)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def targets(options: argparse.Namespace, folder: str) -> Iterator[Target]:
    """The server without a log first."""
    source = home.sources("")
    plain = replace(hopyard("off", "v1", batching=options.batching, source=source))
    yield plain
    logged = {
        "HOPYARD_TOPIC": options.topic,
        "HOPYARD_TOPIC_DIR": f"{folder}/topics",
        "HOPYARD_SPILL_DIR": f"{folder}/spill",
        "HOPYARD_PROJECT": "bench",
        "HOPYARD_REVISION": "1",
        "HOPYARD_SERVING_ID": "1",
    }
    yield replace(plain, name="folder", env={**plain.env, **logged})
    if options.kafka:
        env = {**plain.env, **logged, "HOPYARD_KAFKA_BROKERS": options.kafka}
        yield replace(plain, name="kafka", env=env)


def run(options: argparse.Namespace) -> list[Measured]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hopyard-bench-"))
        servers = []
        for number, target in enumerate(targets(options, folder)):
            server = stack.enter_context(Server(target, MODEL, FIRST_PORT + number))
            measured = Measured(target.name, server, one_core=options.one_core)
            server.measure(options.connections, 2)
            measured.drain()
            server.freeze()
            servers.append(measured)
        off, *logged = servers
        alone = off.twin("stranger")
        for repeat in range(options.repeats):
            for each in logged:
                for measured in (off, each) if repeat % 2 else (each, off):
                    measured.sample(options.connections, options.seconds)
                _pair(each, off)
                if options.stranger:
                    with stranger(each.samples[-1].shipper_share):
                        alone.sample(options.connections, options.seconds)
                    _pair(alone, off)
        for each in logged:
            each.finish()
            print(f"{each.name}: {each.requests} requests measured; counts {each.counts()}")
        return [*logged, alone] if options.stranger else logged


def _pair(logged: Measured, off: Measured) -> None:
    """Remember and tell which sample stands beside which."""
    without, with_ = off.samples[-1], logged.samples[-1]
    logged.pairs.append((with_, without))
    print(
        f"{logged.name:7} {with_.rps:7.0f} / {without.rps:7.0f} a second, ratio {with_.rps / without.rps:.3f}; "
        f"p50 {with_.p50_ms:.2f} / {without.p50_ms:.2f} ms, p99 {with_.p99_ms:.2f} / {without.p99_ms:.2f} ms; "
        f"CPU {with_.cpu_us:.1f} / {without.cpu_us:.1f} us a request, {with_.shipper_us:.1f} us in the shipper",
        flush=True,
    )


def summary(measured: list[Measured]) -> None:
    for each in measured:
        ratios = sorted(one.rps / other.rps for one, other in each.pairs)
        cpu = median(other.cpu_us / one.cpu_us for one, other in each.pairs)
        late = median(one.p99_ms / other.p99_ms for one, other in each.pairs)
        best, best_off = (min(one.cpu_us for one in of) for of in zip(*each.pairs, strict=True))
        print(
            f"{each.name}: median ratio {median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) "
            f"of {len(ratios)} pairs, by CPU {cpu:.3f}, p99 {late:.2f} times as long; "
            f"quietest {best:.1f} / {best_off:.1f} us of CPU a request"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--kafka", default="", help="host:port of a broker that has the topic")
    arguments.add_argument("--topic", default="bench-inf")
    arguments.add_argument("--one-core", action="store_true")
    arguments.add_argument("--stranger", action="store_true", help="see above")
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--batching", default="auto", choices=("auto", "on", "off"))
    options = arguments.parse_args()
    home.require({"hopyard"})
    summary(run(options))


if __name__ == "__main__":
    main()
