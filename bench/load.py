"""Closed-loop load on one port, from a core of its own: wrk for HTTP, `grpc_load.py` for gRPC."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from home import BENCH, LOGS

CLIENT_CORE = "1"

LUA = """
local requests, next_one = {}, 0
local file = io.open("%s", "rb")
for length in file:lines() do
  requests[#requests + 1] = file:read(tonumber(length))
end
function request()
  next_one = next_one %% #requests + 1
  return requests[next_one]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%%d,"seconds":%%f,"errors":%%d,"p50_ms":%%f,"p99_ms":%%f}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What the client saw. `client_cpu` is the share of its core it used: near 1 it was the bottleneck."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float
    client_cpu: float


def write_requests(name: str, requests: list[bytes]) -> Path:
    """Store whole HTTP requests as a script for wrk."""
    file = LOGS / f"{name}-{os.getpid()}.requests"
    file.write_bytes(b"".join(b"%d\n%b" % (len(each), each) for each in requests))
    script = file.with_suffix(".lua")
    script.write_text(LUA % file)
    return script


def wrk(port: int, script: Path, *, connections: int, seconds: float) -> Load:
    duration = f"-d{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{connections}", duration, "--timeout", "30s", "-s", str(script)]
    return _run([*command, f"http://127.0.0.1:{port}/"])


def grpc(port: int, model: str, rows: Path, *, connections: int, seconds: float) -> Load:
    command = [sys.executable, str(BENCH / "grpc_load.py"), str(port), model, str(rows)]
    return _run([*command, "--connections", str(connections), "--seconds", str(seconds)])


def _run(command: list[str]) -> Load:
    began = os.times()
    process = subprocess.run(
        ["taskset", "-c", CLIENT_CORE, *command], capture_output=True, text=True, check=False
    )
    ended = os.times()
    found = re.search(r"RESULT (\{.*\})", process.stdout)
    if found is None:
        raise RuntimeError(f"{command[0]} failed: {(process.stderr or process.stdout)[-500:]}")
    cpu = ended.children_user + ended.children_system - began.children_user - began.children_system
    return Load(**json.loads(found[1]), client_cpu=round(cpu / (ended.elapsed - began.elapsed), 3))
