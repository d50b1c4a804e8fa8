"""A stand-in for KServe's Python SDK: scripts written for it are hosted by this server, without the package.

What they import, subclass, receive and return is here; the server itself is Hopyard's. An installed `kserve`
always wins over this one, and is hosted just the same.
"""

from . import constants, errors, logging, utils
from .api_client import KServeClient
from .inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig
from .model import BaseKServeModel, InferenceModel, InferenceVerb, Model
from .model_repository import ModelRepository
from .model_server import ModelServer
from .predictor_config import PredictorConfig
from .protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
from .storage import Storage

__version__ = "0.21.0"

__all__ = [
    "BaseKServeModel",
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "InferenceGRPCClient",
    "InferenceModel",
    "InferenceRESTClient",
    "InferenceVerb",
    "KServeClient",
    "Model",
    "ModelRepository",
    "ModelServer",
    "PredictorConfig",
    "RESTConfig",
    "RequestedOutput",
    "Storage",
    "constants",
    "errors",
    "logging",
    "utils",
]
