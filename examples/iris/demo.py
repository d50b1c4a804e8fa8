"""Train on the iris data, register the model, serve it and ask it: the whole story, as a user would write it.

Needs a running platform, and HOPYARD_URL, HOPYARD_API_KEY and HOPYARD_PROJECT (or `hopyard login`).
"""

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from hopyard import Client, model, serving

NAME = "IrisFlowerClassifier"
SCRIPT = Path(__file__).with_name("iris_flower_classifier.py")


def train(folder: Path) -> float:
    """Fit a k-nearest-neighbours classifier into `folder`, beside its script; return its accuracy."""
    x, y = load_iris(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=7, stratify=y)
    knn = KNeighborsClassifier().fit(x_train, y_train)
    joblib.dump(knn, folder / "iris_knn.pkl")
    shutil.copy(SCRIPT, folder)
    (folder / "input_example.json").write_text(json.dumps({"instances": x_test[:2].tolist()}))
    return float(accuracy_score(y_test, knn.predict(x_test)))


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        accuracy = train(Path(folder))
        print(f"Trained on iris: accuracy {accuracy:.3f}")
        version = model.export(folder, NAME, metrics={"accuracy": accuracy}, description="KNN on iris")
    print(f"Exported {NAME} version {version.version}")

    script = f"Models/{NAME}/{version.version}/{SCRIPT.name}"
    serving.create_or_update(NAME, script, model_version=version.version, instances=1)
    serving.start(NAME)
    print(f"{NAME} is {serving.get_status(NAME)}")

    question = {"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}
    print(f"Asked  {json.dumps(question)}")
    print(f"Answer {json.dumps(serving.make_inference_request(NAME, question))}")
    print(f"All of it took {time.monotonic() - began:.1f} s\n")
    show_addresses(question)


def show_addresses(question: dict) -> None:
    with Client() as client:
        found = client.servings.get(NAME)
        page = f"{client.url}/projects/{client.project}/servings/{NAME}/"
    key = os.environ.get("HOPYARD_API_KEY", "$HOPYARD_API_KEY")
    print(f"Look at it:   {page}")
    for address in (found.url, found.direct_url):
        print(
            f"Ask it:       curl -H 'Authorization: ApiKey {key}' -d '{json.dumps(question)}' {address}:predict"
        )


if __name__ == "__main__":
    main()
