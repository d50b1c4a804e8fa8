"""What the server tells people and programs about itself."""

import re
from contextlib import closing
from html.parser import HTMLParser

import pytest

from .process import ServerProcess

TWO = """
    class Predict:
        def predict(self, inputs): return inputs
        def explain(self, inputs): return inputs
"""


class Page(HTMLParser):
    """The tags of a page, with their attributes, and those left open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    settings = {"name": "räv 'n <b>.py", "MODEL_VERSION": "3"}
    with closing(ServerProcess(tmp_path_factory.mktemp("docs"), TWO, settings)) as server:
        yield server.ready()


def references(value):
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_document_has_every_url_of_the_model(echo):
    document = echo.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Hopyard: iris"
    assert set(document["paths"]) == {
        "/v1/models/iris:predict",
        "/v2/models/iris/infer",
        "/v2/models/iris",
        "/v2/models/iris/ready",
        "/v2/repository/models/iris/load",
        "/v2/repository/models/iris/unload",
        "/v2/repository/index",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models",
        "/metrics",
    }


def test_the_document_holds_together(documented):
    document = documented.get("/openapi.json").json()
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all({"summary", "tags", "responses"} <= each.keys() for each in operations)
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_what_the_document_gives_as_examples_is_answered(echo):
    for path, methods in echo.get("/openapi.json").json()["paths"].items():
        for method, told in methods.items():
            if path.endswith("load"):
                continue
            content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
            answer = echo.client.request(method, echo.url(path), json=content.get("example"))
            assert answer.status_code == 200, (path, answer.text)


def test_the_page_shows_what_the_document_has(echo):
    answer = echo.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for path in echo.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in answer.text
    assert "-d &#x27;{&quot;instances&quot;: [[5.1, 3.5, 1.4, 0.2]]}&#x27;" in answer.text


def test_the_page_needs_nothing_from_elsewhere_and_no_script(echo):
    answer = echo.get("/docs")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert page.open == []
    assert {"script", "img", "link", "iframe"}.isdisjoint(tag for tag, _ in page.tags)
    links = [given["href"] for tag, given in page.tags if tag == "a"]
    assert all(echo.get(link).status_code == 200 for link in links)


def test_a_name_can_be_anything_and_stays_text(documented):
    text = documented.get("/docs").text
    assert Page(text).open == []
    assert "räv &#x27;n &lt;b&gt;" in text
    paths = documented.get("/openapi.json").json()["paths"]
    predict = next(path for path in paths if path.endswith(":predict"))
    assert re.fullmatch(r"[\w/:%.-]+", predict)
    assert documented.post(predict, json={"instances": [1]}).json() == {"predictions": [1]}


def test_tensors_the_model_tells_of_are_the_example(serve):
    script = """
        from kserve import Model, ModelServer
        class Flowers(Model):
            def load(self): self.ready = True
            def get_input_types(self):
                return [{"name": "petals", "datatype": "FP32", "shape": [-1, 4]}]
            def predict(self, payload, headers=None):
                return payload
        if __name__ == "__main__":
            model = Flowers("iris")
            model.load()
            ModelServer().start([model])
    """
    told = serve(script).ready().get("/openapi.json").json()["paths"]["/v2/models/iris/infer"]["post"]
    assert told["summary"].endswith("petals FP32 [-1, 4]")
    content = told["requestBody"]["content"]
    given = {"name": "petals", "shape": [1, 4], "datatype": "FP32", "data": [0.5] * 4}
    assert content["application/json"]["example"] == {"inputs": [given]}
    assert "application/octet-stream" in content
