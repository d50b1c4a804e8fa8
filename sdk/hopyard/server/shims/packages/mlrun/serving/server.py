"""The context and events of served models, under the names that tests of model classes import."""

from hopyard.server.flavors.mlrun.context import Context as GraphContext
from hopyard.server.flavors.mlrun.events import Event as MockEvent
from hopyard.server.flavors.mlrun.events import Response
from hopyard.server.flavors.mlrun.events import Trigger as MockTrigger

from ..unsupported import unsupported

__all__ = ["GraphContext", "GraphServer", "MockEvent", "MockTrigger", "Response", "create_graph_server"]

_ADVICE = "build a function with mlrun.new_function(kind='serving') and use its to_mock_server()"
GraphServer = unsupported("GraphServer", _ADVICE)
create_graph_server = unsupported("create_graph_server", _ADVICE)
