"""Servings, their immutable revisions, environments, running replicas, events and inference records."""

from serving.models.environments import Environment, Interpreter, Resolution
from serving.models.images import Image
from serving.models.preflights import Preflight
from serving.models.records import InferenceRecord
from serving.models.replays import Replay, ReplayedCall
from serving.models.revisions import Batching, Deployer, InferenceLogging, Placement, RecordFormat, Revision
from serving.models.servings import Exemption, Replica, Serving, ServingEvent, serving_name
from serving.models.topics import DeadLetter, Topic, TopicOffset

__all__ = [
    "Batching",
    "DeadLetter",
    "Deployer",
    "Environment",
    "Exemption",
    "Image",
    "InferenceLogging",
    "InferenceRecord",
    "Interpreter",
    "Placement",
    "Preflight",
    "RecordFormat",
    "Replay",
    "ReplayedCall",
    "Replica",
    "Resolution",
    "Revision",
    "Serving",
    "ServingEvent",
    "Topic",
    "TopicOffset",
    "serving_name",
]
