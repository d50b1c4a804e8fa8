"""Servings, their immutable revisions, environments, running replicas, events and inference records."""

from serving.models.environments import Environment, Interpreter, Resolution
from serving.models.preflights import Preflight
from serving.models.records import InferenceRecord, TopicOffset
from serving.models.revisions import Batching, InferenceLogging, Placement, Revision
from serving.models.servings import Replica, Serving, ServingEvent, serving_name

__all__ = [
    "Batching",
    "Environment",
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
