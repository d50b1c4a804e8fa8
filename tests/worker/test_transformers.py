"""Servings with a transformer, in replicas of its own or in the predictor's process, on real replicas."""

import json
from collections.abc import Callable

import pytest

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from serving import gateway, queries, services
from serving.models import Serving
from serving.settings import Settings
from serving.states import Component, ReplicaState, Status
from tests.waiting import eventually
from worker.deployers.base import Deployer

SUMS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
DOUBLES = """
class Transformer:
    def preprocess(self, inputs):
        return {"instances": [[value * 2 for value in row] for row in inputs["instances"]]}

    def postprocess(self, outputs):
        return {"predictions": [str(value) for value in outputs["predictions"]]}
"""

READS = DOUBLES.replace("value * 2", "int(value) * 2")

Create = Callable[..., Serving]
Settle = Callable[..., Serving]


@pytest.fixture
def put(owner: Access) -> Callable[[str], str]:
    def save(text: str) -> str:
        path = "Resources/doubles.py"
        registry.save_file(access=owner, path=path, blob=storage.receive([text.encode()]))
        return path

    return save


def ask(serving: Serving) -> object:
    answer = gateway.forward(
        serving,
        method="POST",
        path=f"v1/models/{serving.name}:predict",
        body=json.dumps({"instances": [[1, 2], [3, 4]]}).encode(),
        headers={"Content-Type": "application/json"},
        request_id="r1",
    )
    assert answer.status == 200, answer
    return json.loads(answer.body)


def components(serving: Serving) -> list[tuple[str, int]]:
    ready = serving.replicas.filter(state=ReplicaState.READY)
    return sorted(ready.values_list("component", "slot"))


@pytest.mark.parametrize("placement", ["separate", "inline"])
def test_a_transformer_stands_before_and_after_the_predictor(
    placement: str,
    export: Callable[..., ModelVersion],
    settle: Settle,
    owner: Access,
    put: Callable[[str], str],
) -> None:
    """The stored example is the caller's, which only the transformer understands."""
    export(files={"predictor.py": SUMS, "input_example.json": '{"instances": [["1", "2"]]}'})
    path = "Models/iris/1/predictor.py"
    wanted = Settings(
        name="iris", script=path, transformer=put(READS), transformer_placement=placement, replicas=2
    )
    made, _ = services.create(access=owner, wanted=wanted)
    services.start(access=owner, serving=made)
    serving = settle()
    assert serving.status == Status.RUNNING, serving.condition_reason
    assert ask(serving) == {"predictions": ["6", "14"]}
    transformers = [("transformer", 0)] if placement == "separate" else []
    assert components(serving) == [("predictor", 0), ("predictor", 1), *transformers]


def test_callers_come_to_the_transformers_only(
    create: Create, settle: Settle, owner: Access, put: Callable[[str], str]
) -> None:
    made = create(SUMS, transformer=put(DOUBLES), transformer_replicas=2)
    services.start(access=owner, serving=made)
    serving = settle()
    assert components(serving) == [("predictor", 0), ("transformer", 0), ("transformer", 1)]
    fronts = serving.replicas.filter(component=Component.TRANSFORMER).values_list("address", flat=True)
    assert sorted(queries.ready_addresses(serving)) == sorted(fronts)
    assert serving.condition_reason == "3 of 3 replicas ready"


def test_a_dead_predictor_is_replaced_and_found_by_the_transformer(
    create: Create, settle: Settle, owner: Access, put: Callable[[str], str], deployer: Deployer
) -> None:
    import os
    import signal

    services.start(access=owner, serving=create(SUMS, transformer=put(DOUBLES)))
    serving = settle()
    victim = serving.replicas.get(component=Component.PREDICTOR)
    os.kill(int(victim.place.removeprefix("pid ")), signal.SIGKILL)

    def is_replaced() -> bool:
        settle()
        return (
            components(serving) == [("predictor", 0), ("transformer", 0)]
            and not serving.replicas.filter(pk=victim.pk, state=ReplicaState.READY).exists()
        )

    eventually(is_replaced)
    assert ask(queries.serving(serving.project, serving.name)) == {"predictions": ["6", "14"]}


def test_a_transformer_that_cannot_start_fails_with_its_reason(
    create: Create, settle: Settle, owner: Access, put: Callable[[str], str]
) -> None:
    services.start(access=owner, serving=create(SUMS, transformer=put("class Scaler:\n    pass\n")))
    serving = settle()
    assert serving.status == Status.FAILED
    assert "ransformer" in serving.condition_reason


def test_an_edit_from_separate_to_inline_keeps_answering(
    create: Create, settle: Settle, owner: Access, put: Callable[[str], str]
) -> None:
    services.start(access=owner, serving=create(SUMS, transformer=put(DOUBLES)))
    services.update(access=owner, serving=settle(), changes={"transformer_placement": "inline"})
    serving = settle()
    assert components(serving) == [("predictor", 0)]
    assert ask(serving) == {"predictions": ["6", "14"]}


def test_a_transformer_is_not_blamed_for_predictors_that_are_down(
    create: Create, settle: Settle, owner: Access, put: Callable[[str], str], deployer: Deployer, settings
) -> None:
    settings.UNRESPONSIVE_SECONDS = settings.START_TIMEOUT_SECONDS = 1
    slow = "import time\ntime.sleep(3)\n" + SUMS
    made = create(slow, transformer=put(DOUBLES))
    settings.START_TIMEOUT_SECONDS = 30
    services.start(access=owner, serving=made)
    serving = settle()
    assert serving.status == Status.RUNNING
    assert not serving.replicas.filter(state=ReplicaState.EXITED).exists()
