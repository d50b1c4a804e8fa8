"""A whole platform of one's own for a measurement, with Redis and HAProxy, a Kafka broker if asked, and one serving."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import broker  # noqa: E402 - found by the line above

ADDS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
PATIENCE_SECONDS = 240


@dataclass
class Platform:
    """A running platform and its one serving, `sums`."""

    folder: Path
    url: str
    key: str
    environment: dict[str, str]
    up: "subprocess.Popen[bytes]"
    redis: "subprocess.Popen[bytes]"
    redis_command: list[str] = field(default_factory=list)
    kafka: broker.Kafka | None = None

    @property
    def predict_url(self) -> str:
        return f"{self.url}/inference/demo/sums/v1/models/sums:predict"

    def api(self, method: str, path: str, **body: Any) -> Any:
        answer = httpx.request(
            method,
            f"{self.url}/api/projects/demo/{path}",
            headers={"Authorization": f"ApiKey {self.key}"},
            json=body or None,
            timeout=60,
        )
        if answer.is_error:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def serving(self) -> Any:
        return self.api("GET", "servings/sums/")

    def replicas(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("GET", "servings/sums/replicas/?page_size=100")["items"]
        return [each for each in found if each["state"] == "Ready"]

    def oldest(self) -> dict[str, Any]:
        """Whoever is killed is the oldest: a slot that loses its replica three times in a minute is given up."""
        return min(self.replicas(), key=lambda each: each["started_at"])

    def settled(self, *, revision: int | None = None, replicas: int) -> None:
        def is_so() -> bool:
            ready = self.replicas()
            return (
                self.serving()["status"] == "Running"
                and len(ready) == replicas
                and all(revision in {None, each["revision"]} for each in ready)
            )

        wait(is_so, f"{replicas} ready replicas")

    def process(self, words: str) -> int:
        """The pid of one of the platform's programs."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            pid = int(path.parent.name)
            with_spaces = read(path).replace("\0", " ")
            if words in with_spaces and parent(pid) == self.up.pid:
                return pid
        raise SystemExit(f"There is no program {words!r}.")


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def parent(pid: int) -> int:
    return int(read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[1] or 0)


def wait(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited in vain for {what}.")
        time.sleep(0.3)


def docker(*words: str) -> str:
    said = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return said.stdout.strip()


@contextmanager
def platform_with(deployer: str, *, kafka: bool = False) -> Iterator[Platform]:
    """With `kafka` inference records go to a broker of its own."""
    with contextlib.ExitStack() as stack:
        brokers = stack.enter_context(broker.running()) if kafka else None
        yield from _platform(deployer, brokers)


def _platform(deployer: str, kafka: broker.Kafka | None) -> Iterator[Platform]:
    folder = Path(tempfile.mkdtemp(prefix="hopyard-continuity-"))
    bind, redis_port = f"127.0.0.1:{free_port()}", free_port()
    own = {
        "HOPYARD_DATA_DIR": str(folder / "data"),
        "HOPYARD_BIND": bind,
        "HOPYARD_BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
        "HOPYARD_DEPLOYER": deployer,
        "HOPYARD_GATEWAY": "haproxy",
        "HOPYARD_GATEWAY_STATS_BIND": f"127.0.0.1:{free_port()}",
        "HOPYARD_SERVING_PORTS": "28800-28899",
        "HOPYARD_REPLICA_NETWORK": "hopyard-continuity",
        "HOPYARD_EGRESS_NETWORK": "hopyard-continuity-egress",
    }
    if kafka is not None:
        own["HOPYARD_KAFKA_BROKERS"] = kafka.address
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")} | own
    command = ["redis-server", "--port", str(redis_port), "--dir", str(folder), "--appendonly", "yes"]
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    log = folder / "up.log"
    with log.open("w") as out:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    found = Platform(folder, f"http://{bind}", "", environment, up, redis, command, kafka)
    try:
        wait(lambda: up.poll() is not None or "Hopyard answers" in log.read_text(), "the platform")
        if up.poll() is not None:
            raise SystemExit(log.read_text())
        made = [sys.executable, "manage.py", "createkey", "demo", "admin"]
        said = subprocess.run(made, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        found.key = said.stdout.split()[-1]
        yield found
        found.api("DELETE", "servings/sums/")
        wait(lambda: not mine(found), "the end of the containers")
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(90)
        found.redis.terminate()
        shutil.copy(log, Path(tempfile.gettempdir()) / "hopyard-continuity.log")
        shutil.rmtree(folder, ignore_errors=True)


def mine(platform: Platform) -> str:
    """The containers of this platform that are left."""
    known = platform.folder / "data" / "installation"  # is there once an engine was asked
    identity = known.read_text().strip() if shutil.which("docker") and known.exists() else ""
    label = f"label=hopyard.installation={identity}"
    return docker("ps", "--all", "--quiet", "--filter", label) if identity else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def upload(platform: Platform, path: str, text: str) -> None:
    from hopyard.client import Client

    file = platform.folder / Path(path).name
    file.write_text(text)
    Client(platform.url, platform.key, "demo").files.upload(file, path)


def start_serving(platform: Platform) -> float:
    """Seconds from Start to the first prediction; what it runs in has been built before."""
    from hopyard.client import Client

    client = Client(platform.url, platform.key, "demo")
    model = platform.folder / "model"
    model.mkdir()
    (model / "weights.txt").write_text("1 2 3")
    client.models.export(model, "sums")
    upload(platform, "Resources/adds.py", ADDS)
    platform.api(
        "POST",
        "servings/",
        name="sums",
        script="Resources/adds.py",
        model="sums",
        model_version=1,
        replicas=2,
    )
    wait(lambda: platform.serving()["status"] == "Created", "the environment and the pre-flight")
    wait(lambda: preflight_is_over(platform), "the pre-flight")
    began = time.monotonic()
    platform.api("POST", "servings/sums/start/")
    wait_for_prediction(platform)
    took = time.monotonic() - began
    platform.settled(replicas=2)
    return took


def preflight_is_over(platform: Platform) -> bool:
    return platform.api("GET", "servings/sums/preflight/")["state"] in {"passed", "failed"}


def wait_for_prediction(platform: Platform) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with httpx.Client(headers={"Authorization": f"ApiKey {platform.key}"}) as client:
        while client.post(platform.predict_url, json={"instances": [[1, 2]]}).status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise SystemExit(f"No prediction: {platform.serving()}")
            time.sleep(0.02)
