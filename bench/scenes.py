"""What happens to a serving while it is asked: kills, updates, restarts of what the platform stands on."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whole import ADDS, Platform, docker, read, upload, wait

# Found good by the pre-flight, and broken where it is to serve.
BROKEN = (
    "import os\nif os.environ.get('HOPYARD_PREFLIGHT') != 'on':\n"
    f"    raise RuntimeError('the licence server is gone')\n{ADDS}"
)
OUTAGE_SECONDS = 60


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


def kill_the_broker(platform: Platform) -> None:
    """kill -9 of Kafka, which is started again a minute later."""
    assert platform.kafka is not None
    platform.kafka.kill()
    time.sleep(OUTAGE_SECONDS)
    platform.kafka.start()


def pause_the_broker(platform: Platform) -> None:
    """Kafka keeps its connections for half a minute and answers nothing."""
    assert platform.kafka is not None
    platform.kafka.pause()
    time.sleep(OUTAGE_SECONDS / 2)
    platform.kafka.go_on()


def kill_the_consumer(platform: Platform) -> None:
    """kill -9 of the log consumer, three times."""
    for _ in range(3):
        os.kill(platform.process("manage.py consume"), signal.SIGKILL)
        time.sleep(4)


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
    "broker": kill_the_broker,
    "broker-paused": pause_the_broker,
    "consumer": kill_the_consumer,
}
FOR_KAFKA = {"broker", "broker-paused"}
FOR_CONTAINERS = {"docker-kill", "dockerd"}
