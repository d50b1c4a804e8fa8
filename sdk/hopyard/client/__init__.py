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
    FilesRefused,
    Forbidden,
    HopyardError,
    InvalidArgument,
    NotAuthenticated,
    NotFound,
    PreflightFailed,
    ServerError,
    ServingFailed,
    TimedOut,
    TooLarge,
)
from hopyard.client.records import Model, ModelVersion, StoredFile
from hopyard.client.serving_records import (
    Canary,
    Check,
    Failure,
    Preflight,
    Replica,
    ReplicaLog,
    Revision,
    Serving,
    ServingEvent,
)

__all__ = [
    "ApiError",
    "BadRequest",
    "Canary",
    "Check",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "Failure",
    "FilesRefused",
    "Forbidden",
    "HopyardError",
    "Identity",
    "InvalidArgument",
    "Model",
    "ModelVersion",
    "NotAuthenticated",
    "NotFound",
    "Preflight",
    "PreflightFailed",
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
