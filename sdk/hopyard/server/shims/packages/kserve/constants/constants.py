"""`kserve.constants.constants`: the names scripts read."""

from enum import Enum

DEFAULT_HTTP_PORT = 8080
DEFAULT_HTTPS_PORT = 8443
DEFAULT_GRPC_PORT = 8081
INFERENCE_CONTENT_LENGTH_HEADER = "inference-header-content-length"
KSERVE_MODEL_SERVER_NAME = "kserve"
MAX_GRPC_MESSAGE_LENGTH = 8 * 1024 * 1024
MODEL_MOUNT_DIRS = "/mnt/models"
V1_ROUTE_PREFIX = "/v1"
V2_ROUTE_PREFIX = "/v2"

GRPC_CONTENT_DATATYPE_MAPPINGS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class PredictorProtocol(Enum):
    """How a transformer talks to its predictor."""

    REST_V1 = "v1"
    REST_V2 = "v2"
    GRPC_V2 = "grpc-v2"


class ModelType(Enum):
    """What a model was asked to do, in scripts of 2022."""

    EXPLAINER = 1
    PREDICTOR = 2
