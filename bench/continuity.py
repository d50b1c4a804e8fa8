"""Does a caller notice? `python bench/continuity.py [--deployer docker] [SCENE…]`.

Starts a platform of its own with Redis and HAProxy, runs a serving with two replicas, and does to it what happens in
production while `steady.py` asks for at least a thousand predictions a second for a minute through the gateway. Every
answer that is not a correct 200 counts. `dockerd` restarts the machine's Docker engine and runs only when it is named.
"""

import argparse
import json
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
ADDS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
# Found good by the pre-flight, and broken where it is to serve.
BROKEN = (
    "import os\nif os.environ.get('HOPYARD_PREFLIGHT') != 'on':\n"
    f"    raise RuntimeError('the licence server is gone')\n{ADDS}"
)
CALM_SECONDS = 8
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


# --- What happens ---------------------------------------------------------------------------------


def nothing(_: Platform) -> None:
    """The load alone."""


def kill_a_replica(platform: Platform) -> None:
    """kill -9 of a replica, twice."""
    for _ in range(2):
        victim = platform.oldest()
        os.kill(pid_of(victim), signal.SIGKILL)
        wait(lambda gone=victim: gone["name"] not in {r["name"] for r in platform.replicas()}, "its end")
        platform.settled(replicas=2)


def pid_of(replica: dict[str, Any]) -> int:
    kind, _, identity = replica["place"].partition(" ")
    if kind == "pid":
        return int(identity)
    found = docker("inspect", "--format", "{{.State.Pid}}", identity)
    children = read(Path(f"/proc/{found}/task/{found}/children")).split()
    return int((children or [found])[0])


def docker_kill(platform: Platform) -> None:
    """docker kill of a container, twice."""
    for _ in range(2):
        victim = platform.oldest()
        docker("kill", victim["place"].split()[-1])
        wait(lambda gone=victim: gone["name"] not in {r["name"] for r in platform.replicas()}, "its end")
        platform.settled(replicas=2)


def docker(*words: str) -> str:
    said = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def rolling_update(platform: Platform) -> None:
    """A new revision takes the place of the old one, one replica at a time."""
    platform.api("PATCH", "servings/sums/pace/", surge=1, pace_seconds=1)
    number = platform.serving()["revision"] + 1
    platform.api("PATCH", "servings/sums/", env={"COLOUR": f"blue{number}"})
    platform.settled(revision=number, replicas=2)


def broken_update(platform: Platform) -> None:
    """A revision that cannot start is tried and fails while the old one answers."""
    before = platform.serving()["revision"]
    upload(platform, "Resources/broken.py", BROKEN)
    platform.api("PATCH", "servings/sums/", script="Resources/broken.py")
    wait(lambda: platform.serving()["failure"], "the failure")
    print("   ", platform.serving()["failure"]["reason"][:150])
    platform.api("POST", f"servings/sums/revisions/{before}/rollback/")
    platform.settled(replicas=2)


def scale(platform: Platform) -> None:
    """1 to 4 to 1 replicas."""
    for number in (1, 4, 1):
        platform.api("POST", "servings/sums/scale/", replicas=number)
        platform.settled(replicas=number)
    platform.api("POST", "servings/sums/scale/", replicas=2)
    platform.settled(replicas=2)


def reload_gateway(platform: Platform) -> None:
    """Two more servings come and go, each of which makes the gateway read its configuration anew."""
    for name in ("other", "another"):
        platform.api(
            "POST", "servings/", name=name, script="Resources/adds.py", model="sums", model_version=1
        )
        time.sleep(4)
        platform.api("DELETE", f"servings/{name}/")
        time.sleep(4)


def kill_the_worker(platform: Platform) -> None:
    """kill -9 of the Celery worker, and of a replica while it is away."""
    worker = platform.process("celery --quiet -A config worker")
    victim = platform.oldest()
    os.kill(worker, signal.SIGKILL)
    os.kill(pid_of(victim), signal.SIGKILL)
    wait(lambda: victim["name"] not in {each["name"] for each in platform.replicas()}, "its end")
    platform.settled(replicas=2)


def restart_redis(platform: Platform) -> None:
    """Redis is away for five seconds, and a replica is killed meanwhile."""
    platform.redis.terminate()
    platform.redis.wait(20)
    victim = platform.oldest()
    os.kill(pid_of(victim), signal.SIGKILL)
    time.sleep(5)
    platform.redis = subprocess.Popen(platform.redis_command, stdout=subprocess.DEVNULL)
    wait(lambda: victim["name"] not in {each["name"] for each in platform.replicas()}, "its end")
    platform.settled(replicas=2)


def restart_dockerd(platform: Platform) -> None:
    """The Docker engine is stopped and started again."""
    pid = int(subprocess.run(["pidof", "-s", "dockerd"], capture_output=True, text=True, check=True).stdout)
    command = read(Path(f"/proc/{pid}/cmdline")).rstrip("\0").split("\0")
    environment = dict(each.split("=", 1) for each in read(Path(f"/proc/{pid}/environ")).split("\0") if each)
    os.kill(pid, signal.SIGTERM)
    wait(lambda: not Path(f"/proc/{pid}").exists(), "the engine's end")
    log = Path(tempfile.gettempdir()) / "dockerd-again.log"
    with log.open("ab") as out:
        subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    wait(
        lambda: subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0, "it"
    )
    platform.settled(replicas=2)


SCENES: dict[str, Callable[[Platform], None]] = {
    "nothing": nothing,
    "kill": kill_a_replica,
    "docker-kill": docker_kill,
    "update": rolling_update,
    "broken": broken_update,
    "scale": scale,
    "reload": reload_gateway,
    "worker": kill_the_worker,
    "redis": restart_redis,
    "dockerd": restart_dockerd,
}
FOR_CONTAINERS = {"docker-kill", "dockerd"}


# --- The platform ---------------------------------------------------------------------------------


@contextmanager
def platform_with(deployer: str) -> Iterator[Platform]:
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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")} | own
    command = ["redis-server", "--port", str(redis_port), "--dir", str(folder), "--appendonly", "yes"]
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    log = folder / "up.log"
    with log.open("w") as out:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    found = Platform(folder, f"http://{bind}", "", environment, up, redis, command)
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
    identity = (
        (platform.folder / "data" / "installation").read_text().strip() if shutil.which("docker") else ""
    )
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


def play(platform: Platform, name: str, *, rate: float, seconds: float) -> dict[str, Any]:
    """The scene in the middle of the load; the load goes on until the scene is over and its time is up."""
    load = [sys.executable, str(Path(__file__).with_name("steady.py")), platform.predict_url, platform.key]
    process = subprocess.Popen(
        [*load, "--rate", str(rate), "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True
    )
    time.sleep(CALM_SECONDS)
    began = time.monotonic()
    SCENES[name](platform)
    took = time.monotonic() - began
    said, _ = process.communicate()
    return json.loads(said) | {"scene": name, "scene_seconds": round(took, 1)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    arguments.add_argument("--deployer", default="local", choices=["local", "docker", "swarm"])
    arguments.add_argument("--rate", type=float, default=1500)
    arguments.add_argument("--seconds", type=float, default=60)
    asked = arguments.parse_args()
    unknown = set(asked.scenes) - SCENES.keys()
    if unknown:
        arguments.error(f"there is no scene {', '.join(sorted(unknown))}")
    usual = [name for name in SCENES if asked.deployer != "local" or name not in FOR_CONTAINERS]
    scenes = asked.scenes or [name for name in usual if name != "dockerd"]
    with platform_with(asked.deployer) as platform:
        print(
            f"from Start to the first prediction: {start_serving(platform):.2f} s ({asked.deployer})",
            flush=True,
        )
        for name in scenes:
            print(json.dumps(play(platform, name, rate=asked.rate, seconds=asked.seconds)), flush=True)


if __name__ == "__main__":
    main()
