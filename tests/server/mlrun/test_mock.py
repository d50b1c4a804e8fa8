"""A server in this process, for every style."""

import sys
from types import ModuleType

import pytest
from mlrun.serving import V2ModelServer

from hopyard.server.mocking import mock


class Echo(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return request["inputs"]

    def op_text(self, event):
        return "text"

    def op_response(self, event):
        return self.context.Response(body="r", status_code=event.body["status"], headers={"x-y": "z"})


class Times:
    def __init__(self, factor=3):
        self.factor = factor

    def predict(self, inputs):
        return [row * self.factor for row in inputs]


def test_tests_answer_with_python_objects(hosted):
    server = hosted(Echo)
    answer = server.test("/v2/models/m/infer", {"inputs": [1]}, event_id="e")
    assert (answer["id"], answer["outputs"]) == ("e", [1])
    assert server.test("v2/models/m/text", {}) == "text"
    response = server.test("/v2/models/m/response", {"status": 201})
    assert (response.status_code, response.body, response.headers) == (201, "r", {"x-y": "z"})
    whole = server.test("/v2/models/m/infer", {"inputs": [1]}, get_body=False)
    assert whole.json()["outputs"] == [1]
    assert server.test("/v2/health/ready")["ready"] is True


def test_failures_raise_unless_they_are_to_be_looked_at(hosted):
    server = hosted(Echo)
    with pytest.raises(RuntimeError, match=r"failed \(418\): r"):
        server.test("/v2/models/m/response", {"status": 418})
    assert server.test("/v2/models/m/response", {"status": 418}, silent=True).status_code == 418
    with pytest.raises(RuntimeError, match=r"failed \(404\)"):
        server.test("/nothing")


@pytest.mark.parametrize("target", [Times, Times(), Times(4)])
def test_classes_and_objects_of_the_predict_style_are_served(hosted, target):
    factor = getattr(target, "factor", 3)
    server = hosted(target)
    assert server.test("/v1/models/m:predict", {"instances": [1, 2]}) == {"predictions": [factor, 2 * factor]}


def test_classes_and_objects_of_the_kserve_style_are_served(hosted):
    import kserve

    class K(kserve.Model):
        def load(self):
            self.ready = True

        async def predict(self, payload, headers=None):
            return {"predictions": payload["instances"]}

    made = K("made")
    made.load()
    assert hosted(K).test("/v1/models/m:predict", {"instances": [1]}) == {"predictions": [1]}
    assert hosted(made).test("/v1/models/made:predict", {"instances": [1]}) == {"predictions": [1]}


def test_scripts_modules_and_several_classes_are_served(tmp_path):
    (tmp_path / "iris.py").write_text(
        "class Predict:\n    def predict(self, inputs):\n        return inputs\n"
    )
    main, arguments = sys.modules["__main__"], list(sys.argv)
    with mock(tmp_path / "iris.py") as server:
        assert server.test("/v1/models/iris:predict", {"instances": [1]}) == {"predictions": [1]}
    assert (sys.modules["__main__"], sys.argv) == (main, arguments)
    module = ModuleType("script")
    module.Predict = Times
    with mock(module) as server:
        assert server.test("/v1/models/script:predict", {"instances": [1]}) == {"predictions": [3]}
    with mock({"a": Echo, "b": Times}) as server:
        assert server.models == ["a", "b"]
        assert server.test("/v1/models/b:predict", {"instances": [1]}) == {"predictions": [3]}


def test_answers_that_come_in_pieces_are_put_together(hosted):
    class Streaming:
        def predict(self, inputs):
            yield from inputs

    text = hosted(Streaming).test("/v1/models/m:predict", {"instances": [1, 2]}, silent=True)
    assert text.body == b"1\n2\n"


def test_what_cannot_be_served_says_what_can():
    with pytest.raises(TypeError, match="write a class Predict"):
        mock(ModuleType("empty"))
    with pytest.raises(ZeroDivisionError):
        mock(type("Broken", (), {"__init__": lambda self: 1 / 0, "predict": print}))


def test_a_constructor_that_ends_the_program_is_an_error():
    class Ending:
        def __init__(self):
            raise SystemExit(2)

        def predict(self, inputs):
            return inputs

    with pytest.raises(RuntimeError, match="SystemExit: 2, raised while the model was built"):
        mock(Ending)
