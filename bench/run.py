"""Hold our model server against its peers, or against itself, on this machine.

    python bench/run.py setup                    build the environments (hopyard fastapi kserve mlserver)
    python bench/run.py run --quick              every claim once, in 1 s samples: about three minutes
    python bench/run.py run --peers all          what the README of this directory reports
    python bench/run.py compare HEAD~3           our server then and now, when the hot path changed
    python bench/run.py report RESULTS.jsonl     the table of an earlier run

Servers run on core 0 and the load on core 1. BENCH_HOME (~/.cache/hopyard-bench) holds what is built and measured.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import home
import memory
import report
from cases import FOREIGN, LIMIT, MEMORY_MIB, STYLES, Cell, claimed_cells
from load import CLIENT_CORE
from servers import SERVER_CORE, Server
from targets import Target, hopyard, ours, peers

MODELS = ("m0", "m1", "m2", "m3")
FIRST_PORT = 19000


class Bench:
    """Samples of cells, written as JSON lines as they come."""

    def __init__(self, targets: dict[str, Target], options: argparse.Namespace, out: TextIO) -> None:
        self._targets = targets
        self._options = options
        self._out = out
        self._port = FIRST_PORT

    def run(self, cells: Iterable[Cell], model: str) -> None:
        """Start what is needed for one model, then take turns until each cell has all its samples."""
        cells = [cell for cell in cells if cell.model == model]
        names = dict.fromkeys(cell.target for cell in cells if cell.target != LIMIT)
        with ExitStack() as stack:
            servers = {}
            for name in names:
                try:
                    server = stack.enter_context(Server(self._targets[name], model, self.next_port()))
                    server.measure(16, self._options.warmup)
                    server.freeze()
                    servers[name] = server
                except Exception as error:
                    self._write({"target": name, "model": model, "error": str(error)})
            for repeat in range(self._options.repeats):
                turn = [cell for cell in cells if cell.target in servers or cell.target == LIMIT]
                turn.sort(key=lambda cell: (cell.connections, cell.traced))
                for cell in reversed(turn) if repeat % 2 else turn:
                    self._sample(cell, servers.get(cell.target), repeat)

    def memory(self, target: Target, model: str) -> None:
        for repeat in range(self._options.repeats):
            self._write(memory.measure(target, model, self.next_port()) | {"repeat": repeat})

    def next_port(self) -> int:
        self._port += 1
        return self._port

    def _sample(self, cell: Cell, server: Server | None, repeat: int) -> None:
        if server is None:
            command = [home.python("hopyard"), str(home.BENCH / "limit.py"), cell.model]
            done = subprocess.run(
                ["taskset", "-c", SERVER_CORE, *command], check=True, capture_output=True, text=True
            )
            rate = float(done.stdout)
            self._write(asdict(cell) | {"repeat": repeat, "rps": rate, "cpu_us": 1e6 / rate})
            return
        server.thaw()
        server.settle()
        sample = self._measured(cell, server)
        if sample["foreign"] > FOREIGN:
            again = self._measured(cell, server)
            sample = min(sample, again, key=lambda each: each["foreign"])
        server.freeze()
        self._write(asdict(cell) | {"repeat": repeat} | sample)

    def _measured(self, cell: Cell, server: Server) -> dict[str, Any]:
        busy, cpu, began = _busy_seconds(), server.cpu_seconds(), time.monotonic()
        seen = server.measure(cell.connections, self._options.seconds, traced=cell.traced)
        took, cpu = time.monotonic() - began, server.cpu_seconds() - cpu
        foreign = (_busy_seconds() - busy - cpu) / took - seen.client_cpu
        server.settle()
        return {
            "rps": round(seen.requests / seen.seconds, 1),
            "p50_ms": seen.p50_ms,
            "p99_ms": seen.p99_ms,
            "requests": seen.requests,
            "errors": seen.errors,
            "cpu_us": round(cpu / max(seen.requests, 1) * 1e6, 2),
            "client_cpu": seen.client_cpu,
            "foreign": round(foreign, 3),
            "at": round(time.time()),
        }

    def _write(self, record: dict[str, Any]) -> None:
        self._out.write(json.dumps(record) + "\n")
        self._out.flush()
        print(" ".join(f"{name}={value}" for name, value in record.items() if name != "at"), flush=True)


def _busy_seconds() -> float:
    """CPU seconds that anything has used of the two cores."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if name in (f"cpu{SERVER_CORE}", f"cpu{CLIENT_CORE}"):
            user, nice, system, _idle, _wait, interrupt, soft = map(int, numbers[:7])
            ticks += user + nice + system + interrupt + soft
    return ticks / os.sysconf("SC_CLK_TCK")


def setup(options: argparse.Namespace) -> None:
    wanted = options.environments or list(home.USUAL)
    unknown = set(wanted) - {"all", *home.REQUIREMENTS}
    if unknown:
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}. There are: {' '.join(home.REQUIREMENTS)}")
    home.setup(list(home.REQUIREMENTS) if wanted == ["all"] else wanted)


def run(options: argparse.Namespace) -> None:
    known = {each.name: each for each in (*ours(home.sources(""), options.batching), *peers())}
    wanted = options.peers.split(",")
    if wanted == ["installed"]:
        chosen = {name for name, each in known.items() if home.is_built(each.environment)}
    elif wanted == ["all"]:
        chosen = set(known)
    else:
        chosen = {name for name, each in known.items() if each.environment in {"hopyard", *wanted}}
    home.require({known[name].environment for name in chosen})
    with _results(options, "run") as out:
        bench, models = Bench(known, options, out), options.models.split(",")
        cells = claimed_cells(models, {*chosen, LIMIT})
        if options.styles:
            cells += [Cell(name, "m1", 64) for name in STYLES if Cell(name, "m1", 64) not in cells]
        for model in models:
            bench.run(cells, model)
        if "m1" in models and MEMORY_MIB:
            bench.memory(known["hopyard"], "m1")
    print(report.claims(report.read([Path(out.name)])))


def compare(options: argparse.Namespace) -> None:
    home.require({"hopyard"})
    sides = {"old": home.sources(options.old), "new": home.sources(options.new)}
    targets = {
        name: hopyard(name, options.api, batching=options.batching, source=source)
        for name, source in sides.items()
    }
    connections = [int(number) for number in options.connections.split(",")]
    with _results(options, "compare") as out:
        bench = Bench(targets, options, out)
        for model in options.models.split(","):
            both = (Cell(name, model, number) for number in connections for name in targets)
            bench.run(both, model)
    print(report.sides(report.read([Path(out.name)])))


def show(options: argparse.Namespace) -> None:
    records = report.read(options.files)
    is_comparison = any(record["target"] == "old" for record in records)
    print(report.sides(records) if is_comparison else report.claims(records))


def _results(options: argparse.Namespace, kind: str) -> TextIO:
    if options.quick:
        options.seconds, options.warmup, options.repeats = 1, 1, 1
    os.sched_setaffinity(0, {int(CLIENT_CORE)})
    path = options.out or home.RESULTS / f"{kind}-{time.strftime('%m%d-%H%M%S')}.jsonl"
    print(f"results go to {path}", flush=True)
    return path.open("w")


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__, formatter_class=shape)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    builder = commands.add_parser("setup", help="build environments and data")
    builder.add_argument("environments", nargs="*", help=f"all, or some of: {' '.join(home.REQUIREMENTS)}")
    builder.set_defaults(act=setup)
    runner = commands.add_parser("run", help="measure every claim and print the table")
    runner.add_argument(
        "--peers", default="installed", help="installed (default), all, or environments: kserve,flask"
    )
    runner.add_argument("--models", default=",".join(MODELS), help="some of m0,m1,m2,m3 (default all)")
    runner.add_argument("--batching", default="auto", help="of our server: auto (default) or on")
    runner.add_argument("--styles", action="store_true", help="also the KNN in every authoring style")
    runner.set_defaults(act=run)
    comparer = commands.add_parser("compare", help="two commits of our server, interleaved")
    comparer.add_argument("old", help="the commit to compare with")
    comparer.add_argument("new", nargs="?", default="", help="another commit; the working tree unless given")
    comparer.add_argument("--models", default="m0,m1", help="default m0,m1")
    comparer.add_argument("--connections", default="1,64", help="default 1,64")
    comparer.add_argument("--api", default="v1", choices=("v1", "v2", "v2-binary", "grpc"))
    comparer.add_argument("--batching", default="on", help="on (default), off or auto")
    comparer.set_defaults(act=compare)
    for command in (runner, comparer):
        _add_sampling(command)
    reporter = commands.add_parser("report", help="print the table of stored results")
    reporter.add_argument("files", nargs="+", type=Path)
    reporter.set_defaults(act=show)
    return parser


def _add_sampling(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seconds", type=float, default=3, help="of one sample (default 3)")
    command.add_argument("--warmup", type=float, default=1, help="seconds before the first (default 1)")
    command.add_argument("--repeats", type=int, default=5, help="samples of each cell (default 5)")
    command.add_argument("--quick", action="store_true", help="one sample of 1 s of each cell")
    command.add_argument("--out", type=Path, help="file of JSON lines (default in BENCH_HOME/results)")


def main() -> None:
    options = _parser().parse_args()
    try:
        options.act(options)
    except subprocess.CalledProcessError as error:
        said = error.stderr or ""
        sys.exit(
            f"{' '.join(map(str, error.cmd))} failed. {said if isinstance(said, str) else said.decode()}"
        )


if __name__ == "__main__":
    main()
