"""Make the benchmark's models and rows: `python data.py DIRECTORY`, in an environment with scikit-learn.

`m1.joblib` and `m2.joblib` are the models, `rows.json` holds the rows sent and the answers expected for each
model, `m*-example.json` are the input examples our server proves batching with.
"""

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

ROWS = 64


def make(directory: Path) -> None:
    random = np.random.default_rng(20)
    rows: dict[str, Any] = {"m0": np.round(random.random((ROWS, 4)) * 8, 1)}
    answers: dict[str, Any] = {"m0": rows["m0"].sum(axis=1)}
    trained = {
        "m1": (KNeighborsClassifier(5), load_iris(return_X_y=True)),
        "m2": (RandomForestClassifier(100, random_state=0), load_breast_cancer(return_X_y=True)),
    }
    for name, (model, (features, labels)) in trained.items():
        model.fit(features, labels)
        joblib.dump(model, directory / f"{name}.joblib")
        rows[name] = features[random.permutation(len(features))[:ROWS]]
        answers[name] = model.predict(rows[name])
    rows["m3"] = random.random((1, 3, 224, 224)).astype(np.float32)
    answers["m3"] = rows["m3"].reshape(1, -1).mean(axis=1)
    for name, sent in rows.items():
        example = {"instances": sent[:8].tolist()}
        (directory / f"{name}-example.json").write_text(json.dumps(example))
    document = {
        name: {"rows": sent.tolist(), "answers": answers[name].tolist()} for name, sent in rows.items()
    }
    (directory / "rows.json").write_text(json.dumps(document))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    make(target)
