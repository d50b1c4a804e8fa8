"""Servings, their immutable revisions, environments, running replicas, events and inference records."""

from serving.models.environments import Environment, Interpreter, Resolution
from serving.models.images import Image
from serving.models.preflights import Preflight
from serving.models.records import InferenceRecord, TopicOffset
from serving.models.revisions import Batching, Deployer, InferenceLogging, Placement, Revision
from serving.models.servings import Exemption, Replica, Serving, ServingEvent, serving_name

__all__ = [
    "Batching",
    "Deployer",
    "Environment",
    "Exemption",
    "Image",
    "InferenceLogging",
    "InferenceRecord",
    "Interpreter",
    "Placement",
    "Preflight",
    "Replica",
    "Resolution",
    "Revision",
    "Serving",
    "ServingEvent",
    "TopicOffset",
    "serving_name",
]
