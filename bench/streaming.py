"""How many requests a second one streamer takes from a topic, has a trivial model answer, and puts into another.

    python bench/streaming.py [--kafka HOST:PORT] [--requests 10000] [--at-once 32]

Without an address, topics are folders. The requests are there before the streamer starts; what is timed is from the
first answer to the last one, one row each.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SCRIPT = """
class Predict:
    def predict(self, inputs):
        return [sum(row) for row in inputs]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kafka", default="")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=32)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hopyard-bench-") as folder:
        os.environ |= {"HOPYARD_DATA_DIR": folder, "HOPYARD_BROKER_URL": "memory://"}
        os.environ |= {"HOPYARD_KAFKA_BROKERS": asked.kafka, "DJANGO_SETTINGS_MODULE": "config.settings"}
        measure(Path(folder), asked.requests, asked.at_once)


def measure(folder: Path, requests: int, at_once: int) -> None:
    import django

    django.setup()
    from tests.worker.streaming import stage
    from worker.topics import installed

    broker = installed.broker()
    name = f"bench-{secrets.token_hex(4)}"
    for topic in (f"{name}-in", f"{name}-out"):
        broker.create(topic, partitions=4, replication=1)
    values = [json.dumps({"id": n, "inputs": [[n, 1, 2, 3]]}).encode() for n in range(requests)]
    for start in range(0, requests, 1000):
        broker.publish(f"{name}-in", values[start : start + 1000])
    server, address = replica(folder)
    try:
        stage.main(f"{name}-in", f"{name}-out", address)
        words = [sys.executable, "manage.py", "stream", "--at-once", str(at_once)]
        streamer = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            seconds, answered = watch(broker, f"{name}-out", requests)
        finally:
            streamer.terminate()
            streamer.wait()
    finally:
        server.terminate()
        server.wait()
    print(f"{answered / seconds:.0f} requests a second, {at_once} at a time, {answered} in {seconds:.1f} s")


def watch(broker: object, topic: str, requests: int) -> tuple[float, int]:
    """Seconds and answers between two looks: at some answers, and at all of them."""
    first = 0
    began = 0.0
    while True:
        there = count(broker, topic)
        now = time.perf_counter()
        if there and not first:
            first, began = there, now
        if there >= requests:
            return now - began, there - first
        time.sleep(0.2)


def count(broker: object, topic: str) -> int:
    described = broker.describe([topic])[topic]
    if os.environ["HOPYARD_KAFKA_BROKERS"]:
        return described.messages
    return len(broker.peek(topic, most=10**9))


def replica(folder: Path) -> tuple["subprocess.Popen[bytes]", str]:
    (folder / "iris.py").write_text(SCRIPT)
    said = {"PORT": "0", "SCRIPT": str(folder / "iris.py"), "ADDRESS_FILE": str(folder / "address")}
    named = {f"HOPYARD_{name}": value for name, value in {**said, "MODEL_NAME": "iris"}.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")}
    words = [sys.executable, "-m", "hopyard.server"]
    server = subprocess.Popen(words, env=kept | named, cwd=folder, stderr=subprocess.DEVNULL)
    while not (folder / "address").exists():
        time.sleep(0.05)
    return server, (folder / "address").read_text().strip()


if __name__ == "__main__":
    main()
