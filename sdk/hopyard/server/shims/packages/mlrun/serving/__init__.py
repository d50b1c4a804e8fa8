"""What model scripts import from `mlrun.serving`."""

from .remote import BatchHttpRequests, RemoteStep
from .routers import ModelRouter, ParallelRun, VotingEnsemble
from .server import GraphContext, GraphServer, MockEvent, MockTrigger, Response, create_graph_server
from .states import ErrorStep, FlowStep, QueueStep, RootFlowStep, RouterStep, TaskStep
from .v1_serving import MLModelServer
from .v2_serving import V2ModelServer

__all__ = [
    "BatchHttpRequests",
    "ErrorStep",
    "FlowStep",
    "GraphContext",
    "GraphServer",
    "MLModelServer",
    "MockEvent",
    "MockTrigger",
    "ModelRouter",
    "ParallelRun",
    "QueueStep",
    "RemoteStep",
    "Response",
    "RootFlowStep",
    "RouterStep",
    "TaskStep",
    "V2ModelServer",
    "VotingEnsemble",
    "create_graph_server",
]
