"""Does a caller notice? `python bench/continuity.py [--deployer docker] [--kafka] [SCENE…]`.

Starts a platform of its own with Redis and HAProxy, runs a serving with two replicas, and does to it what happens in
production while `steady.py` asks for at least a thousand predictions a second for a minute through the gateway. Every
answer that is not a correct 200 counts. `dockerd` restarts the machine's Docker engine and runs only when it is named.
After each scene the inference records are counted: how many of the calls are missing from the explorer, or double.
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import recorded
from scenes import FOR_CONTAINERS, FOR_KAFKA, SCENES
from whole import Platform, platform_with, start_serving

CALM_SECONDS = 8


def play(platform: Platform, name: str, *, rate: float, seconds: float) -> dict[str, Any]:
    """The scene in the middle of the load; the load goes on until the scene is over and its time is up."""
    load = [sys.executable, str(Path(__file__).with_name("steady.py")), platform.predict_url, platform.key]
    process = subprocess.Popen(
        [*load, "--rate", str(rate), "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True
    )
    since = datetime.now(UTC)
    time.sleep(CALM_SECONDS)
    began = time.monotonic()
    SCENES[name](platform)
    took = time.monotonic() - began
    said, _ = process.communicate()
    told = json.loads(said)
    return told | {"scene": name, "scene_seconds": round(took, 1), **recorded.since(platform, since, told)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    arguments.add_argument("--deployer", default="local", choices=["local", "docker", "swarm"])
    arguments.add_argument("--rate", type=float, default=1500)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--kafka", action="store_true", help="inference records go to a Kafka broker")
    asked = arguments.parse_args()
    unknown = set(asked.scenes) - SCENES.keys()
    if unknown:
        arguments.error(f"there is no scene {', '.join(sorted(unknown))}")
    usual = [name for name in SCENES if asked.deployer != "local" or name not in FOR_CONTAINERS]
    usual = [name for name in usual if asked.kafka or name not in FOR_KAFKA]
    scenes = asked.scenes or [name for name in usual if name != "dockerd"]
    with platform_with(asked.deployer, kafka=asked.kafka) as platform:
        print(
            f"from Start to the first prediction: {start_serving(platform):.2f} s ({asked.deployer})",
            flush=True,
        )
        for name in scenes:
            print(json.dumps(play(platform, name, rate=asked.rate, seconds=asked.seconds)), flush=True)


if __name__ == "__main__":
    main()
