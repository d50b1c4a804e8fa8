"""What a replica may use of the machine, said in the environment of its process."""

import os
from collections.abc import Mapping
from typing import Any

GPUS = "CUDA_VISIBLE_DEVICES"
CPUS = "OMP_NUM_THREADS"


def environment(options: Mapping[str, Any], number: int) -> dict[str, str]:
    """Return the environment of replica `number` of a deployment with these Ray actor options.

    `num_gpus` 2 gives each replica two devices, 0.5 gives two replicas one between them. `num_cpus` is how many
    threads numeric libraries start. What is not said is not limited.
    """
    made = dict(os.environ)
    gpus, cpus = float(options.get("num_gpus") or 0), float(options.get("num_cpus") or 0)
    if gpus:
        made[GPUS] = ",".join(_devices(made.get(GPUS, ""), gpus, number))
    if cpus:
        made.setdefault(CPUS, str(max(1, int(cpus))))
    return made


def _devices(visible: str, share: float, number: int) -> list[str]:
    """Whole devices side by side; shares fill one device before the next, and begin again after the last."""
    there = [each.strip() for each in visible.split(",") if each.strip()]
    width = max(1, int(share))
    first = number * width if share >= 1 else int(number / int(1 / share))
    wanted = range(first, first + width)
    return [there[place % len(there)] if there else str(place) for place in wanted]
