"""The in-process limit: JSON in, one predict for a batch, JSON out; no sockets, no server, one core.

    python limit.py MODEL --batch 32

Prints requests per second of CPU time, for one row a request. Run in the hopyard environment.
"""

import argparse
import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import orjson
from home import BENCH, DATA

SECONDS = 0.25
ROUNDS = 5


def predictor(model: str) -> Callable[[Any], list[Any]]:
    """The `predict` of the very script our server serves."""
    os.environ.setdefault("ARTIFACT_FILES_PATH", str(DATA))
    path = BENCH / "scripts" / f"{model}.py"
    spec = importlib.util.spec_from_file_location(f"served_{model}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    predict: Callable[[Any], list[Any]] = module.Predict().predict
    return predict


def requests_per_second(predict: Callable[[Any], list[Any]], bodies: list[bytes]) -> float:
    def batch() -> None:
        rows = [row for body in bodies for row in orjson.loads(body)["instances"]]
        for answer in predict(rows):
            orjson.dumps({"predictions": [answer]})

    batch()
    rates = []
    for _ in range(ROUNDS):
        count, began = 0, process_time()
        while (spent := process_time() - began) < SECONDS:
            batch()
            count += 1
        rates.append(count * len(bodies) / spent)
    return median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", choices=("m0", "m1", "m2", "m3"))
    parser.add_argument("--batch", type=int, default=32, help="rows predicted together (default 32)")
    options = parser.parse_args()
    rows = json.loads(Path(DATA / "rows.json").read_bytes())[options.model]["rows"]
    sent = [rows[number % len(rows)] for number in range(options.batch)]
    bodies = [json.dumps({"instances": [row]}).encode() for row in sent]
    print(f"{requests_per_second(predictor(options.model), bodies):.1f}")


if __name__ == "__main__":
    main()
