"""Start a server on a core of its own, check that its answers are right, and stop it with all its children."""

import http.client
import json
import os
import signal
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import load
from home import DATA, LOGS
from payloads import Question, is_right, question
from targets import PEERS, Target

SERVER_CORE = "0"
READY_SECONDS = 120.0
STOP_SECONDS = 3.0
TRACES = 8192
TICKS = os.sysconf("SC_CLK_TCK")


class WrongAnswer(Exception):
    """The server answers, but not with the model's predictions."""


@cache
def rows() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = json.loads((DATA / "rows.json").read_bytes())
    return document


class Server:
    """A context manager; inside it the server has answered correctly at least once."""

    def __init__(self, target: Target, model: str, port: int) -> None:
        self.target, self.model, self.port = target, model, port
        self.first_answer_seconds = 0.0
        self._tag = uuid.uuid4().hex
        self._scripts: dict[bool, Path] = {}

    def __enter__(self) -> "Server":
        names = {"port": str(self.port), "grpc_port": str(self.port + 500), "model": self.model}
        env = os.environ | {"BENCH_TAG": self._tag, "BENCH_PORT": str(self.port), "BENCH_MODEL": self.model}
        env |= {"BENCH_DATA": str(DATA), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        env |= {name: value.format(**names) for name, value in self.target.env.items()}
        command = [part.format(**names) for part in self.target.command]
        self.log = LOGS / f"{self.target.name}-{self.model}.log"
        self._began = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *command],
                env=env,
                cwd=PEERS,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await_first_answer()
            self._check_under_concurrency()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def measure(self, connections: int, seconds: float, *, traced: bool = False) -> load.Load:
        if self.target.api == "grpc":
            file = DATA / "rows.json"
            return load.grpc(self.port + 500, self.model, file, connections=connections, seconds=seconds)
        if traced not in self._scripts:
            count = TRACES if traced else len(self._rows)
            asked = (self._question(number) for number in range(count))
            sent = [
                each.on_the_wire(self.port, trace=number if traced else 0)
                for number, each in enumerate(asked, 1)
            ]
            self._scripts[traced] = load.write_requests(f"{self.target.name}-{self.model}-{traced:d}", sent)
        return load.wrk(self.port, self._scripts[traced], connections=connections, seconds=seconds)

    def cpu_seconds(self) -> float:
        return sum(_cpu_ticks(pid) for pid in self.pids()) / TICKS

    def memory_mib(self) -> float:
        """Resident memory of all its processes."""
        return sum(rss_kib(pid) for pid in self.pids()) / 1024

    def settle(self) -> None:
        """Wait until what the last load left behind has been worked off."""
        if self.target.api != "grpc":
            self._ask(self._question(0))
        time.sleep(0.1)

    def pids(self) -> list[int]:
        """Its processes, known by a tag in their environment."""
        tag = f"BENCH_TAG={self._tag}".encode()
        return [int(entry.name) for entry in Path("/proc").iterdir() if _has_tag(entry, tag)]

    def freeze(self) -> None:
        """Take no CPU until thawed; some peers are never idle."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        self.thaw()
        self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.pids() and time.monotonic() < deadline:
            self._process.poll()
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self._process.wait()
        for script in self._scripts.values():
            script.unlink(missing_ok=True)
            script.with_suffix(".requests").unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @property
    def _rows(self) -> list[Any]:
        sent: list[Any] = rows()[self.model]["rows"]
        return sent

    def _question(self, start: int, count: int = 1) -> Question:
        numbers = [(start + each) % len(self._rows) for each in range(count)]
        answers = rows()[self.model]["answers"]
        api = self.target.api
        return question(
            api, self.model, [self._rows[each] for each in numbers], [answers[each] for each in numbers]
        )

    def _ask(self, asked: Question) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", asked.path, asked.body, asked.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _await_first_answer(self) -> None:
        last = "nothing"
        while time.monotonic() - self._began < READY_SECONDS:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"{self.target.name} exited with {self._process.returncode}; see {self.log}"
                )
            try:
                last = self._first_answer()
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                last = repr(error)
            if not last:
                self.first_answer_seconds = time.monotonic() - self._began
                return
            time.sleep(0.005)
        raise WrongAnswer(f"{self.target.name} {self.model}: not ready; last answer: {last}; see {self.log}")

    def _first_answer(self) -> str:
        """Ask once; return what is wrong with the answer, or nothing."""
        if self.target.api == "grpc":
            seen = self.measure(1, 0.2)
            return "" if seen.requests and not seen.errors else f"{seen.errors} wrong answers"
        asked = self._question(0)
        status, body = self._ask(asked)
        return "" if is_right(asked, status, body) else f"{status} {body[:200]!r}"

    def _check_under_concurrency(self) -> None:
        """Distinct rows at once, some requests of three rows: every caller must get its own answers."""
        if self.target.api == "grpc":  # the load itself checks the first answer of each connection
            return
        image = self.model == "m3"
        asked = [self._question(each, 1 + 2 * (each % 2) * (not image)) for each in range(4 if image else 48)]
        with ThreadPoolExecutor(4 if image else 16) as pool:
            for each, (status, body) in zip(asked, pool.map(self._ask, asked), strict=True):
                if not is_right(each, status, body):
                    raise WrongAnswer(
                        f"{self.target.name} {self.model}: {status} {body[:200]!r}, not {each.answers}"
                    )


def rss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def _cpu_ticks(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(after_name[11]) + int(after_name[12])


def _has_tag(entry: Path, tag: bytes) -> bool:
    try:
        return entry.name.isdigit() and tag in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
