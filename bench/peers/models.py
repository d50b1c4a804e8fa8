"""The models as every peer serves them; what is asked of them is in `served()`, set by the benchmark."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np

NAME = os.environ.get("BENCH_MODEL", "m1")
PORT = int(os.environ.get("BENCH_PORT", "8080"))
BATCHED = os.environ.get("BENCH_BATCHED") == "1"
MAX_BATCH = 32
BATCH_SECONDS = 0.005


def _sum(rows: Any) -> list[float]:
    return rows.sum(axis=1).tolist() if isinstance(rows, np.ndarray) else [sum(row) for row in rows]


def _mean(images: Any) -> list[float]:
    array = np.asarray(images, dtype=np.float32)
    return array.reshape(len(array), -1).mean(axis=1).tolist()


def served() -> Callable[[Any], list[Any]]:
    """The function from rows (a list or an array) to a list of answers, one for each."""
    if NAME == "m0":
        return _sum
    if NAME == "m3":
        return _mean
    model = joblib.load(Path(os.environ["BENCH_DATA"]) / f"{NAME}.joblib")
    return lambda rows: model.predict(np.asarray(rows, dtype=np.float64)).tolist()


def cut(answers: list[Any], lengths: list[int]) -> list[list[Any]]:
    """Give the answers of a joined batch back to its requests."""
    ends = np.cumsum(lengths).tolist()
    return [answers[end - length : end] for end, length in zip(ends, lengths, strict=True)]
