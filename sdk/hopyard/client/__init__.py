"""The typed client of a Hopyard platform: quiet, with timeouts on everything."""

from hopyard.client.account import Identity
from hopyard.client.client import Client
from hopyard.client.default import connect
from hopyard.client.errors import (
    ApiError,
    BadRequest,
    ConfigurationError,
    Conflict,
    ConnectFailed,
    Forbidden,
    HopyardError,
    InvalidArgument,
    NotAuthenticated,
    NotFound,
    ServerError,
    ServingFailed,
    TimedOut,
    TooLarge,
)
from hopyard.client.records import (
    Failure,
    Model,
    ModelVersion,
    Replica,
    ReplicaLog,
    Revision,
    Serving,
    ServingEvent,
    StoredFile,
)

__all__ = [
    "ApiError",
    "BadRequest",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "Failure",
    "Forbidden",
    "HopyardError",
    "Identity",
    "InvalidArgument",
    "Model",
    "ModelVersion",
    "NotAuthenticated",
    "NotFound",
    "Replica",
    "ReplicaLog",
    "Revision",
    "ServerError",
    "Serving",
    "ServingEvent",
    "ServingFailed",
    "StoredFile",
    "TimedOut",
    "TooLarge",
    "connect",
]
