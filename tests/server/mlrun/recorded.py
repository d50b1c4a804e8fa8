"""A model of MLRun's layout whose records are taken down."""

import json
import re
from typing import Any

from mlrun.serving import GraphContext, MockEvent, V2ModelServer

from hopyard.server.flavors.mlrun.context import Stream
from hopyard.server.inference_log.mlrun import Messages

WHEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00")


class Double(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return [1 / each for each in request["inputs"]]

    def explain(self, request):
        return ["because"]

    def op_hello(self, event):
        return "hello"


class Served:
    """A model whose records go to a topic, as a server would have it."""

    def __init__(
        self, kind: type = Double, parameters: Any = None, *, key="m:v1", connected=True, **topic_options
    ):
        self.taken: list[bytes] = []
        self.messages = Messages(host="iris-1", function_uri="garden/iris", **topic_options)
        if connected:
            self.messages.connect(self.taken.append)
        context = GraphContext(parameters or {})
        context.stream = Stream.of(self.messages, stream_uri="")
        self.model = kind(context, key)
        self.model.post_init()

    def ask(self, inputs=(1,), *, op="infer", **body):
        event = MockEvent({"inputs": list(inputs), **body}, path=op, event_id="e")
        return self.model.do_event(event).body

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.taken]
