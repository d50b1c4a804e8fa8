"""The handlers: their order, what each is called with, where it runs, and what its exceptions mean."""

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any

import kserve
import pytest
from kserve import Model, errors

from hopyard.server.replies import Problem, Reply

from .asking import Asking, loaded, request, tensors

BODY = {"instances": [1, 2]}


class Base(Model):
    def __init__(self, **settings: Any) -> None:
        super().__init__("m", **settings)
        self.ready = True


class Chatty(Base):
    """Every stage leaves its mark."""

    def preprocess(self, payload, headers):
        return {"instances": [*payload["instances"], "pre"]}

    async def predict(self, payload, headers):
        await asyncio.sleep(0)
        return {"predictions": [*payload["instances"], "predict"]}

    def postprocess(self, result, headers):
        return {"predictions": [*result["predictions"], "post"]}

    def explain(self, payload, headers):
        return {"predictions": [*payload["instances"], "explain"]}


def test_stages_run_in_order_and_are_timed(asking: Asking) -> None:
    assert loaded(asking.predict(Chatty(), BODY)) == {"predictions": [1, 2, "pre", "predict", "post"]}
    assert asking.stages == [("m", "preprocess"), ("m", "predict"), ("m", "postprocess")]


def test_explain_takes_the_place_of_predict(asking: Asking) -> None:
    answer = asking.verb(asking.model(Chatty()), "explain", request(BODY))
    assert loaded(answer) == {"predictions": [1, 2, "pre", "explain", "post"]}
    assert ("m", "explain") in asking.stages


class OneArgument(Base):
    def predict(self, request):
        return {"predictions": request["instances"]}


class TwoArguments(Base):
    def predict(self, body, others):
        return {"predictions": others["x-mark"]}


class ThreeArguments(Base):
    def __init__(self) -> None:
        super().__init__(return_response_headers=True)

    def predict(self, payload, headers, response_headers):
        response_headers.update({"x-model": "m1", "content-length": "9", "Content-Type": "text/csv"})
        return "1,2"

    def postprocess(self, result, headers, response_headers):
        response_headers["x-second"] = "line\r\nbreak"
        return result


class AnyArguments(Base):
    def predict(self, *everything):
        return {"predictions": len(everything)}


class AThirdOfItsOwn(Base):
    def predict(self, payload, headers=None, threshold=0.5):
        return {"predictions": threshold}


@pytest.mark.parametrize(
    ("kind", "predictions"),
    [(OneArgument, [1, 2]), (TwoArguments, "seen"), (AnyArguments, 2), (AThirdOfItsOwn, 0.5)],
)
def test_handlers_get_the_arguments_they_take(asking: Asking, kind: type, predictions: Any) -> None:
    headers = {"content-type": "application/json", "x-mark": "seen"}
    assert loaded(asking.predict(kind(), BODY, headers)) == {"predictions": predictions}


def test_response_headers_go_to_the_answer(asking: Asking) -> None:
    reply = asking.predict(ThreeArguments(), BODY)
    assert reply == Reply(
        b"1,2", content_type=b"text/csv", headers=b"x-model: m1\r\nx-second: line break\r\n"
    )


def test_response_headers_go_to_tensor_answers_but_for_their_framing(asking: Asking) -> None:
    class Headed(ThreeArguments):
        def predict(self, payload, headers, response_headers):
            super().predict(payload, headers, response_headers)
            return [1.5]

    response = asking.infer(Headed(), tensors())
    assert dict(response.headers) == {"x-model": "m1", "x-second": "line\r\nbreak"}


def where(asking: Asking, model: Model) -> str:
    return loaded(asking.predict(model, BODY))["predictions"]


def test_sync_handlers_run_in_the_models_thread_and_async_ones_on_the_loop(asking: Asking) -> None:
    class Places(Base):
        def preprocess(self, payload, headers):
            return {"instances": [threading.current_thread().name]}

        async def predict(self, payload, headers):
            return {"predictions": [*payload["instances"], asyncio.get_running_loop() is asking.loop]}

    class Plain(Base):
        def predict(self, payload):
            return {"predictions": threading.current_thread().name}

    assert where(asking, Places()) == ["model", True]
    assert where(asking, Plain()) == "model"


def test_an_awaitable_from_a_sync_handler_is_awaited_on_the_loop(asking: Asking) -> None:
    def quietly(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            return function(*arguments)

        return call

    class Decorated(Base):
        @quietly
        async def predict(self, payload, headers=None):
            return {"predictions": asyncio.get_running_loop() is asking.loop}

    assert where(asking, Decorated()) is True


def test_a_validate_of_the_users_own_replaces_the_usual_one(asking: Asking) -> None:
    class Strict(OneArgument):
        def validate(self, payload):
            if len(payload["instances"]) > 1:
                raise errors.InvalidInput("one at a time")
            return payload

    model = asking.model(Strict())
    with pytest.raises(errors.InvalidInput) as caught:
        asking.verb(model, "predict", request(BODY))
    assert model.problem(caught.value).status == 400  # type: ignore[union-attr]


class Through(OneArgument):
    def preprocess(self, payload, headers=None):
        return payload


@pytest.mark.parametrize("kind", [OneArgument, Through])
def test_instances_that_are_no_list_are_refused(asking: Asking, kind: type) -> None:
    with pytest.raises(Problem, match='Expected "instances" to be a list') as caught:
        asking.predict(kind(), {"instances": "text"})
    assert caught.value.status == 400


def test_a_failing_stage_is_timed_and_later_ones_are_not(asking: Asking) -> None:
    class Failing(Chatty):
        async def predict(self, payload, headers):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asking.predict(Failing(), BODY)
    assert asking.stages == [("m", "preprocess"), ("m", "predict")]


class Detailed(Exception):
    """As a web framework's."""

    status_code = 418
    detail = {"reason": "teapot"}


Detailed.__name__, Detailed.__module__ = "HTTPException", "fastapi.exceptions"


@pytest.mark.parametrize(
    ("error", "status", "sentence", "grpc"),
    [
        (errors.InvalidInput("bad row"), 400, "bad row", "INVALID_ARGUMENT"),
        (errors.InferenceError("lost"), 500, "lost", "INVALID_ARGUMENT"),
        (errors.InferenceError("lost", status="17"), 500, "[17] lost", "INVALID_ARGUMENT"),
        (errors.ModelNotFound("n"), 404, "Model with name n does not exist.", "NOT_FOUND"),
        (errors.ModelNotReady("n", "Wait."), 503, "Model with name n is not ready. Wait.", "UNAVAILABLE"),
        (errors.ServerNotReady(), 503, "Server is not ready.", "UNAVAILABLE"),
        (errors.ServerNotLive("Ill."), 503, "Server is not live. Ill.", "UNAVAILABLE"),
        (errors.UnsupportedProtocol("v9"), 501, "Unsupported protocol v9.", "INVALID_ARGUMENT"),
        (NotImplementedError("later"), 501, "later", "UNIMPLEMENTED"),
        (ValueError("msg"), 500, "ValueError : msg", ""),
        (KeyError("instances"), 500, "KeyError : 'instances'", ""),
        (Detailed(), 418, "{'reason': 'teapot'}", ""),
    ],
)
def test_exceptions_have_their_statuses(
    asking: Asking, error: Exception, status: int, sentence: str, grpc: str
) -> None:
    problem = asking.model(OneArgument()).problem(error)
    assert problem is not None
    assert (problem.status, problem.sentence, problem.grpc) == (status, sentence, grpc)


def test_an_http_exception_is_answered_in_its_own_shape(asking: Asking) -> None:
    problem = asking.model(OneArgument()).problem(Detailed())
    assert problem is not None
    assert problem.reply is not None
    assert problem.reply == Reply(b'{"detail":{"reason":"teapot"}}', 418)


def test_a_model_without_predict_is_a_transformer_without_predictor(asking: Asking) -> None:
    with pytest.raises(NotImplementedError, match=r"Could not find predictor_host\."):
        asking.predict(Base(), BODY)
    with pytest.raises(NotImplementedError, match=r"Could not find explainer_host\."):
        asking.verb(asking.model(Base()), "explain", request(BODY))


def test_a_model_that_answers_calls_itself_is_called(asking: Asking) -> None:
    class Called(Model):
        async def __call__(self, body, headers=None, verb=None):
            return {"predictions": [verb.name]}, {"x-told": "1"}

    reply = asking.predict(Called("m"), BODY)
    assert loaded(reply) == {"predictions": ["PREDICT"]}
    assert reply.headers == b"x-told: 1\r\n"


def test_calling_a_model_in_a_script_runs_its_pipeline() -> None:
    value, headers = asyncio.run(Chatty()(BODY, {}))
    assert (value["predictions"][-1], headers) == ("post", {})
    assert asyncio.run(Chatty()(BODY, verb=kserve.InferenceVerb.PREDICT))[0] == value


def test_trouble_is_said_while_a_model_is_not_ready(asking: Asking) -> None:
    class Ill(OneArgument):
        async def healthy(self):
            return False

    instance = OneArgument()
    model = asking.model(instance)
    assert model.trouble() == ""
    instance.ready = False
    assert model.trouble() == "Model with name m is not ready."
    assert asking.model(Ill()).trouble() == "Model with name m is not ready."


def test_metadata_comes_from_the_models_types(asking: Asking) -> None:
    class Typed(OneArgument):
        async def get_input_types(self):
            return [{"name": "a", "datatype": "FP32", "shape": [-1, 4]}]

    metadata = asking.model(Typed()).metadata
    assert metadata is not None
    assert metadata() == {"inputs": [{"name": "a", "datatype": "FP32", "shape": [-1, 4]}], "outputs": []}


def test_a_model_is_unloaded_and_loaded_again(asking: Asking) -> None:
    class Counting(OneArgument):
        loads = 0

        def load(self):
            self.loads += 1
            self.ready = True

    instance = Counting()
    model = asking.model(instance)
    assert model.unload is not None
    assert model.load is not None
    model.unload()
    assert model.trouble()
    again = model.load()
    assert (instance.loads, again.trouble()) == (1, "")


def test_a_transformers_settings_are_honoured_in_every_style() -> None:
    class Old(Model):
        def __init__(self, name):
            self.predictor_host = "before:80"
            super().__init__(name)
            self.protocol = "v2"
            self.use_ssl = True
            self.timeout = 5

    config = Old("t").predictor_config
    assert config is not None
    assert (config.predictor_base_url, config.protocol, config.timeout) == ("https://before:80", "v2", 5)
    given = kserve.PredictorConfig("given:80")
    assert Model("t", given).predictor_config == given
    assert Model("t", predictor_config=given).predictor_config == given
    assert Model("t").predictor_config is None
    assert Model("t", True).required_response_headers is True
