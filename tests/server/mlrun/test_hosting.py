"""Objects are hosted by what they do: of the stand-in, of an installed MLRun, or of neither."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from mlrun.serving import V2ModelServer


class Echo(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return request["inputs"]


class Duck:
    """Derives from nothing, and takes only what it names."""

    def __init__(self, name, context):
        self.name, self.context = name, context

    def post_init(self, mode):
        self.mode = mode

    def predict(self, request):
        raise AssertionError("do_event decides")

    def do_event(self, event):
        event.body = {
            "asked": event.path.strip("/"),
            "body": event.body,
            "mode": self.mode,
            "name": self.name,
        }
        return event


def test_a_class_is_hosted_for_its_methods(hosted):
    answer = hosted(Duck).test("/v2/models/m/infer", {"inputs": [1]})
    assert answer == {"asked": "infer", "body": {"inputs": [1]}, "mode": "sync", "name": "m"}


def test_constructors_get_by_keyword_what_they_accept(hosted):
    seen = {}

    class Strict(Echo):
        def __init__(self, context, name, model_path=None, depth=1):
            seen.update(name=name, model_path=model_path, depth=depth)
            super().__init__(context=context, name=name, model_path=model_path)

    class Open(Echo):
        def __init__(self, *args, **kwargs):
            seen.update(kwargs)
            super().__init__(*args, **kwargs)

    hosted(Strict, model_dir="/files", depth=3, other=4)
    assert seen == {"name": "m", "model_path": "/files", "depth": 3}
    hosted(Open, other=4)
    assert {
        "context",
        "name",
        "input_path",
        "result_path",
        "full_event",
        "graph_step",
        "other",
    } <= seen.keys()


def test_arguments_that_a_constructor_does_not_take_are_parameters(hosted):
    class Strict(Echo):
        def __init__(self, context, name):
            super().__init__(context=context, name=name)

        def predict(self, request):
            return [self.get_param("depth"), self.get_param("none", 0)]

    assert hosted(Strict, depth=3).test("/v2/models/m/infer", {"inputs": []})["outputs"] == [3, 0]


def test_a_model_is_let_go_and_built_anew(hosted):
    server = hosted(Echo)
    server.test("/v2/repository/models/m/unload", {})
    with pytest.raises(RuntimeError, match=r"failed \(503\)"):
        server.test("/v1/models/m:predict", {"instances": [1]})
    server.test("/v2/repository/models/m/load", {})
    assert server.test("/v2/models/m/infer", {"inputs": [1]})["outputs"] == [1]


@pytest.fixture
def image_url():
    class Image(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/away":
                self.send_response(302)
                self.send_header("location", "ftp://elsewhere/image")
            else:
                self.send_response(200)
            self.end_headers()
            self.wfile.write(b"image")

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Image)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_content_of_a_data_url_is_the_input(hosted, image_url):
    class Reader(Echo):
        def predict(self, request):
            return [each.read().decode() for each in request["inputs"]]

    server = hosted(Reader)
    assert server.test("/v2/models/m/infer", {"data_url": f"{image_url}/a"})["outputs"] == ["image"]
    for refused in (f"{image_url}/away", "file:///etc/passwd", "ftp://x/y"):
        with pytest.raises(RuntimeError, match=r"failed \(400\)"):
            server.test("/v2/models/m/infer", {"data_url": refused})
