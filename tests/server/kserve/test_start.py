"""`ModelServer().start(...)`: which models it takes, and what it refuses."""

from typing import Any

import pytest
from kserve import Model, ModelRepository, ModelServer, errors

from hopyard.server.flavors import kserve as flavor
from hopyard.server.flavors.kserve import hosting

from .asking import Asking, loaded, request


class Named(Model):
    def __init__(self, name: str, *, ready: bool = True) -> None:
        super().__init__(name)
        self.ready = ready

    def predict(self, payload):
        return {"predictions": self.name}


def started(asking: Asking, models: Any, server: ModelServer | None = None) -> list[str]:
    """The names that were handed over."""
    hosting.expect(asking.host)
    (server or ModelServer()).start(models)
    return [model.name for model in asking.handed]


def test_models_are_handed_over_in_order(asking: Asking) -> None:
    assert started(asking, [Named("b"), Named("a")]) == ["b", "a"]


def test_the_last_of_a_name_wins(asking: Asking) -> None:
    first, last = Named("a"), Named("a")
    assert started(asking, [first, last]) == ["a"]
    first.ready, last.ready = False, True
    assert asking.handed[0].trouble() == ""


def test_models_that_are_not_ready_are_left_out(asking: Asking) -> None:
    assert started(asking, [Named("a"), Named("b", ready=False)]) == ["a"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["a"], "Model with name a is not ready."), (["a", "b"], "Models with names a,b are not ready.")],
)
def test_no_ready_model_is_an_error(asking: Asking, names: list[str], sentence: str) -> None:
    with pytest.raises(errors.NoModelReady) as caught:
        started(asking, [Named(name, ready=False) for name in names])
    assert str(caught.value) == sentence


def test_an_empty_list_serves_nothing(asking: Asking) -> None:
    assert started(asking, []) == []


@pytest.mark.parametrize(
    ("models", "error", "sentence"),
    [
        ((Named("a"),), RuntimeError, "Unknown model collection type"),
        (Named("a"), RuntimeError, "Unknown model collection type"),
        (["a"], RuntimeError, "Model type should be 'BaseKServeModel'"),
        ({"a": "b"}, RuntimeError, "Model type should be 'BaseKServeModel'"),
        ([Named("")], ValueError, "model.name must be provided"),
    ],
)
def test_what_is_no_model_is_refused(
    asking: Asking, models: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        started(asking, models)


def test_a_model_has_a_second_name_and_shares_its_fate(asking: Asking) -> None:
    server, model = ModelServer(), Named("a")
    server.register_model(model)
    server.register_model(model, "alias")
    assert started(asking, [], server) == ["a", "alias"]
    model.ready = True
    first, second = asking.handed
    assert loaded(asking.verb(second, "predict", request({}))) == {"predictions": "a"}
    assert first.unload is not None
    first.unload()
    assert second.trouble()


def test_registered_models_are_served_before_they_are_ready(asking: Asking) -> None:
    server = ModelServer()
    server.register_model(Named("late", ready=False))
    assert started(asking, [], server) == ["late"]
    assert asking.handed[0].trouble() == "Model with name late is not ready."


def test_a_dict_of_models_and_classes_is_served_by_its_keys(asking: Asking) -> None:
    assert started(asking, {"one": Named("a"), "two": Named}) == ["one", "two"]
    answers = [loaded(asking.verb(each, "predict", request({})))["predictions"] for each in asking.handed]
    assert answers == ["a", "two"]


def test_models_are_told_that_they_start_and_stop(asking: Asking) -> None:
    told = []

    class Told(Named):
        def start(self):
            told.append("start")

        def stop(self):
            told.append("stop")

    started(asking, [Told("a")])
    assert told == ["start", "stop"]


def test_a_repository_of_the_users_own_loads_models(asking: Asking) -> None:
    class Loads(ModelRepository):
        async def load(self, name):
            self.update(Named("fresh"), name)
            return True

    started(asking, [Named("a")], ModelServer(registered_models=Loads()))
    load = asking.handed[0].load
    assert load is not None
    assert loaded(asking.verb(load(), "predict", request({}))) == {"predictions": "fresh"}


def test_without_a_server_the_stand_in_says_so() -> None:
    hosting._current = None
    with pytest.raises(RuntimeError, match="no server to hand the models to"):
        ModelServer().start([])


MAIN = "from kserve import Model, ModelServer\nif __name__ == '__main__':\n    ModelServer().start([])\n"


@pytest.mark.parametrize(
    ("source", "run_as_main", "names"),
    [
        (MAIN, True, []),
        ("import kserve\ns = kserve.ModelServer(workers=1)\ns.start([])", True, []),
        ("from kserve import Model\nclass A(Model): ...", False, []),
        ("from other import ModelServer\nModelServer().start([])", False, []),
        ("import kserve\nfor x in ():\n    generate_uuid()\nray.init()", False, ["generate_uuid", "ray"]),
        ("from kserve.utils.utils import generate_uuid\ngenerate_uuid()", False, []),
        ("generate_uuid()", False, []),
        ("import kserve\ndef broken(:", False, []),
    ],
)
def test_a_script_is_known_before_it_runs(
    asking: Asking, source: str, run_as_main: bool, names: list[str]
) -> None:
    preparation = flavor.prepare(source, asking.host)
    assert (preparation.run_as_main, sorted(preparation.globals)) == (run_as_main, names)
    assert preparation.handed_over is False


def test_a_start_is_a_handover(asking: Asking) -> None:
    preparation = flavor.prepare(MAIN, asking.host)
    ModelServer().start([])
    assert preparation.handed_over is True
