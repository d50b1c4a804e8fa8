"""What the gateway costs: one thread of HAProxy with our rules against one with none, and against no proxy at all.

    python bench/gateway.py [--rounds 5] [--seconds 3] [--buffers 16 32 64] [--connections 32]

The proxy has core 0 to itself; wrk and a backend that answers at once share core 1. All take turns, round by round.
“Cost” is how much less a thread with our rules passes: by CPU time per request, which other work on the machine
disturbs least, and by the rate where the proxy was the bottleneck.
"""

import argparse
import base64
import contextlib
import hashlib
import hmac
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import load

sys.path.insert(0, str(Path(__file__).parents[1]))
from worker.gateway import maps, render
from worker.gateway.description import Entry, Installation, Key, Server

BACKEND, BARE, OURS = 21_990, 21_991, 21_992
PEPPER = b"a pepper for the bench, 32 bytes"
KEY = "hop_AAAAAAAAAAAA_" + "x" * 40
PATH = "/inference/garden/iris/v1/models/iris:predict"
BODY = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
HEADERS = (
    "Host: localhost",
    "User-Agent: bench",
    "Accept: */*",
    f"Authorization: ApiKey {KEY}",
    "Content-Type: application/json",
    f"Content-Length: {len(BODY)}",
)
PLAIN = """
global
  nbthread 1
  maxconn 4000
  no strict-limits
  tune.bufsize 16384
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
"""
FRONT = f"""
frontend front
  bind 127.0.0.1:{BARE}
  default_backend replicas
backend replicas
  balance leastconn
  http-reuse always
  server one 127.0.0.1:{BACKEND}
"""
REPLICA = f"""
frontend replica
  bind 127.0.0.1:{BACKEND}
  http-request return status 200 content-type application/json string '{{"predictions": [0]}}'
"""


@dataclass(frozen=True)
class Sample:
    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--buffers", type=int, nargs="+", default=[16])
    asked = parser.parse_args()
    request = "\r\n".join((f"POST {PATH} HTTP/1.1", *HEADERS, "", "")).encode() + BODY
    script = load.write_requests("gateway", [request])
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        running.enter_context(haproxy(folder, "backend", PLAIN + REPLICA, core="1"))
        programs = {"bare": (BARE, running.enter_context(haproxy(folder, "bare", PLAIN + FRONT)))}
        for number, kilobytes in enumerate(asked.buffers):
            text = ours(folder, OURS + number, kilobytes)
            programs[f"ours, {kilobytes} KB"] = (
                OURS + number,
                running.enter_context(haproxy(folder, f"ours{kilobytes}", text)),
            )
        samples: dict[str, list[Sample]] = {"direct": [], **{name: [] for name in programs}}
        for number in range(asked.rounds):
            for each in sorted(samples, reverse=bool(number % 2)):
                port, process = programs.get(each, (BACKEND, None))
                samples[each].append(sample(port, process, script, asked))
    report(samples)


def ours(folder: Path, port: int, kilobytes: int) -> str:
    """A configuration like that of a busy installation: many servings and keys, one of which is asked."""
    installation = Installation(
        bind=f"127.0.0.1:{port}",
        web="127.0.0.1:1",
        pepper=base64.b64encode(PEPPER).decode(),
        threads=1,
        own_hosts=("127.0.0.1",),
        buffer_bytes=kilobytes * 1024,
    )
    replicas = (Server("r1-0-1", f"127.0.0.1:{BACKEND}"),)
    entries = [Entry(1, "garden", "iris", "t" * 43, stable=replicas)]
    entries += [Entry(number, "garden", f"other{number}", "t" * 43) for number in range(2, 50)]
    known = [Key("AAAAAAAAAAAA", digest(KEY), "garden")]
    known += [Key(f"{number:012}", digest(f"hop_{number}"), "garden") for number in range(200)]
    for name, pairs in {
        maps.SERVINGS: maps.servings(entries),
        maps.CANARIES: {},
        maps.KEYS: maps.keys(known),
        maps.FREE_KEYS: maps.free_keys(known),
    }.items():
        (folder / name).write_text(maps.text(pairs))
    return render.configuration(installation, entries).replace("worker.sock", f"worker{kilobytes}.sock")


def digest(key: str) -> str:
    return hmac.new(PEPPER, key.encode(), hashlib.sha256).hexdigest()


@contextlib.contextmanager
def haproxy(folder: Path, name: str, text: str, core: str = "0") -> Iterator["subprocess.Popen[bytes]"]:
    (folder / f"{name}.cfg").write_text(text)
    command = ["taskset", "-c", core, "haproxy", "-db", "-q", "-C", str(folder), "-f", f"{name}.cfg"]
    process = subprocess.Popen(command)
    time.sleep(0.5)
    if process.poll() is not None:
        raise SystemExit(f"haproxy did not start with the configuration “{name}”")
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def sample(
    port: int, process: "subprocess.Popen[bytes] | None", script: Path, asked: argparse.Namespace
) -> Sample:
    before = cpu_seconds(process)
    found = load.wrk(port, script, connections=asked.connections, seconds=asked.seconds)
    if found.errors:
        raise SystemExit(f"{found.errors} of {found.requests} answers on port {port} were wrong")
    used = cpu_seconds(process) - before
    return Sample(found.requests / found.seconds, used / found.requests * 1e6, found.p50_ms, found.p99_ms)


def cpu_seconds(process: "subprocess.Popen[bytes] | None") -> float:
    if process is None:
        return 0.0
    words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def report(samples: dict[str, list[Sample]]) -> None:
    print("| | requests/s | CPU us each | p50 ms | p99 ms |\n|---|---|---|---|---|")
    middle = {}
    for name, taken in samples.items():
        rate, cpu, p50, p99 = (
            statistics.median(getattr(each, column) for each in taken)
            for column in ("rate", "cpu_us", "p50_ms", "p99_ms")
        )
        middle[name] = (rate, cpu)
        print(f"| {name} | {rate:,.0f} | {cpu:.1f} | {p50:.2f} | {p99:.2f} |")
    for name in (name for name in samples if name.startswith("ours")):
        by_cpu = 1 - middle["bare"][1] / middle[name][1]
        by_rate = 1 - middle[name][0] / middle["bare"][0]
        print(f"\n{name}: costs {by_cpu:.0%} of a bare thread by CPU, {by_rate:.0%} by rate")


if __name__ == "__main__":
    main()
