"""Ensembles ask all models of a function: every answer counts as its weight says, and failures are told."""

import threading

import mlrun
import pytest
from mlrun.serving import ParallelRun, V2ModelServer, VotingEnsemble


class Fixed(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        value = self.get_param("value")
        if value == "fails":
            raise ValueError("no value")
        return [value] * len(request["inputs"])


class Slow(Fixed):
    done = threading.Event()

    def predict(self, request):
        self.done.wait(5)
        return super().predict(request)


class Quick(Fixed):
    def predict(self, request):
        Slow.done.set()
        return super().predict(request)


@pytest.fixture
def ensemble():
    servers = []

    def build(values, router="mlrun.serving.VotingEnsemble", classes=None, **arguments):
        fn = mlrun.new_function("f", kind="serving")
        fn.set_topology("router", router, name="all", **arguments)
        for number, value in enumerate(values):
            name = f"m{number}"
            fn.add_model(name, ".", class_name=(classes or {}).get(name, Fixed), value=value)
        servers.append(fn.to_mock_server())
        return servers[-1]

    yield build
    for server in servers:
        server.close()


def votes(server, rows=1):
    return server.test("/v2/models/all/infer", {"inputs": [0] * rows})["outputs"]


@pytest.mark.parametrize(
    ("values", "arguments", "outputs"),
    [
        ([1.0, 2.0, 4.5], {}, [2.5]),
        ([1, 2, 2], {}, [2]),
        ([1.0, 2.0, 2.0], {}, [2]),
        ([2, 1], {}, [1]),
        ([-1, -1, 3], {}, [-1]),
        (["cat", "dog", "dog"], {}, ["dog"]),
        ([1, 2], {"vote_type": "regression"}, [1.5]),
        ([1.5, 3.5], {"weights": {"m0": 1, "m1": 1}}, [2.5]),
        ([1.5, 3.5], {"weights": {"m0": 0.1, "m1": 0.3}}, [3.0]),
        ([1.5, 3.5], {"weights": {"m1": 2}}, [3.5]),
        ([0, 1, 1], {"weights": {"m0": 5, "m1": 1, "m2": 1}}, [0]),
        ([[1.5, 10.5], [2.5, 20.5]], {}, [[2.0, 15.5]]),
    ],
)
def test_models_vote_by_weight(ensemble, values, arguments, outputs):
    same = pytest.approx if isinstance(outputs[0], float) else list
    assert votes(ensemble(values, **arguments)) == same(outputs)


def test_every_request_decides_for_itself_how_to_vote(ensemble):
    class Same(Fixed):
        def predict(self, request):
            return [row + self.get_param("value") for row in request["inputs"]]

    server = ensemble([0.0, 2.0], classes={"m0": Same, "m1": Same})
    assert server.test("/v2/models/all/infer", {"inputs": [1]})["outputs"] == [1]
    assert server.test("/v2/models/all/infer", {"inputs": [0.5]})["outputs"] == [1.5]


def test_the_quickest_model_does_not_get_the_firsts_weight(ensemble):
    Slow.done.clear()
    server = ensemble([1.5, 100.5], classes={"m0": Slow, "m1": Quick}, weights={"m0": 1, "m1": 0})
    assert votes(server, 2) == [1.5, 1.5]


def test_models_that_fail_are_named_and_the_others_weights_are_normalised(ensemble):
    server = ensemble([4.5, "fails", 6.5])
    answer = server.test("/v2/models/all/infer", {"inputs": [0]})
    assert answer["outputs"] == [5.5]
    assert answer["failed"] == {"m1": "ValueError: no value"}
    with pytest.raises(
        RuntimeError, match=r"\(400\): RuntimeError: all models failed: m0: ValueError: no value"
    ):
        votes(ensemble(["fails", "fails"]))


def test_an_ensemble_and_its_models_are_asked_by_name_or_without_one(ensemble):
    server = ensemble([1, 1])
    assert server.test("/v2/models") == {"models": ["all", "m0", "m1"]}
    assert server.test("/", {"inputs": [0]})["model_name"] == "all"
    assert list(server.test("/v2/models/m1/infer", {"inputs": [0]})) == [
        "id",
        "model_name",
        "outputs",
        "timestamp",
    ]
    assert server.test("/v2/models/all")["models"] == ["m0", "m1"]
    assert "Model all is ready" in server.test("/v2/models/all/ready").body
    assert server.test("/v1/models/all:predict", {"instances": [0, 0]}) == {"predictions": [1, 1]}
    with pytest.raises(RuntimeError, match='Expected key "inputs" in request body'):
        server.test("/v2/models/all/infer", {})


def test_logic_is_overridden_to_vote_otherwise(ensemble):
    class Maximum(VotingEnsemble):
        def logic(self, predictions, weights):
            return [max(sample) for sample in predictions]

    assert votes(ensemble([1, 7, 3], Maximum)) == [7]


def test_weights_of_nothing_are_refused_when_loading(ensemble):
    with pytest.raises(ValueError, match="give positive numbers"):
        ensemble([1, 2], weights={"other": 1})


def test_parallel_runs_merge_what_their_models_answer(ensemble):
    class Listing(ParallelRun):
        def merger(self, body, results):
            return {key: result["outputs"] for key, result in results.items()}

    server = ensemble([1, 2], Listing)
    assert server.test("/v2/models/all/infer", {"inputs": [0]}) == {"m0": [1], "m1": [2]}
    merged = ensemble([1, 2], "ParallelRun", extend_event=True, executor_type="array")
    answer = merged.test("/v2/models/all/infer", {"inputs": [0], "kept": 1})
    assert (answer["kept"], answer["outputs"]) == (1, [2])
    with pytest.raises(RuntimeError, match="1 of 2 models failed: m1: ValueError: no value"):
        ensemble([1, "fails"], "ParallelRun").test("/v2/models/all/infer", {"inputs": [0]})
