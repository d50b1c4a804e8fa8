"""The messages of `inference.GRPCInferenceService` and `grpc.health.v1.Health`, in a pool of their own.

Field numbers are those of the Open Inference Protocol, with Triton's additions. The pool is private, so that
user code may import another package that registers `inference.ModelInferRequest`, such as tritonclient.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}

# message: {field: (number, type)}. A type is a scalar, a message, "*" and one of them for a list, "map " and a
# message for a map from strings, "?" and a scalar for a member of the message's only oneof.
_TENSOR = {
    "name": (1, "string"),
    "datatype": (2, "string"),
    "shape": (3, "*int64"),
    "parameters": (4, "map InferParameter"),
    "contents": (5, "InferTensorContents"),
}
_TENSOR_METADATA = {"name": (1, "string"), "datatype": (2, "string"), "shape": (3, "*int64")}
_NAME_AND_VERSION = {"name": (1, "string"), "version": (2, "string")}
_LOADING = {"name": (1, "string"), "model_name": (2, "string"), "parameters": (3, "map InferParameter")}
_CONFIG_TENSOR = {"name": (1, "string"), "data_type": (2, "int32")}

_INFERENCE: dict[str, dict[str, tuple[int, str]]] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": (1, "bool")},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": (1, "bool")},
    "ModelReadyRequest": _NAME_AND_VERSION,
    "ModelReadyResponse": {"ready": (1, "bool")},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {**_NAME_AND_VERSION, "extensions": (3, "*string")},
    "ModelMetadataRequest": _NAME_AND_VERSION,
    "TensorMetadata": _TENSOR_METADATA,
    "ModelMetadataResponse": {
        "name": (1, "string"),
        "versions": (2, "*string"),
        "platform": (3, "string"),
        "inputs": (4, "*TensorMetadata"),
        "outputs": (5, "*TensorMetadata"),
    },
    "InferParameter": {
        "bool_param": (1, "?bool"),
        "int64_param": (2, "?int64"),
        "string_param": (3, "?string"),
        "double_param": (4, "?double"),
        "uint64_param": (5, "?uint64"),
    },
    "InferTensorContents": {
        "bool_contents": (1, "*bool"),
        "int_contents": (2, "*int32"),
        "int64_contents": (3, "*int64"),
        "uint_contents": (4, "*uint32"),
        "uint64_contents": (5, "*uint64"),
        "fp32_contents": (6, "*float"),
        "fp64_contents": (7, "*double"),
        "bytes_contents": (8, "*bytes"),
    },
    "InferTensor": _TENSOR,
    "InferRequestedOutput": {"name": (1, "string"), "parameters": (2, "map InferParameter")},
    "ModelInferRequest": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "parameters": (4, "map InferParameter"),
        "inputs": (5, "*InferTensor"),
        "outputs": (6, "*InferRequestedOutput"),
        "raw_input_contents": (7, "*bytes"),
    },
    "ModelInferResponse": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "parameters": (4, "map InferParameter"),
        "outputs": (5, "*InferTensor"),
        "raw_output_contents": (6, "*bytes"),
    },
    "ModelStreamInferResponse": {"error_message": (1, "string"), "infer_response": (2, "ModelInferResponse")},
    "RepositoryIndexRequest": {"repository_name": (1, "string"), "ready": (2, "bool")},
    "ModelIndex": {**_NAME_AND_VERSION, "state": (3, "string"), "reason": (4, "string")},
    "RepositoryIndexResponse": {"models": (1, "*ModelIndex")},
    # KServe's clients name the model in field 1; Triton's have the repository there and the model in field 2.
    "RepositoryModelLoadRequest": _LOADING,
    "RepositoryModelLoadResponse": {"model_name": (1, "string"), "isLoaded": (2, "bool")},
    "RepositoryModelUnloadRequest": _LOADING,
    "RepositoryModelUnloadResponse": {"model_name": (1, "string"), "isUnloaded": (2, "bool")},
    "ModelConfigRequest": _NAME_AND_VERSION,
    "ModelInput": {**_CONFIG_TENSOR, "dims": (4, "*int64")},
    "ModelOutput": {**_CONFIG_TENSOR, "dims": (3, "*int64")},
    "ModelConfig": {
        "name": (1, "string"),
        "platform": (2, "string"),
        "max_batch_size": (4, "int32"),
        "input": (5, "*ModelInput"),
        "output": (6, "*ModelOutput"),
    },
    "ModelConfigResponse": {"config": (1, "ModelConfig")},
    "ModelStatisticsRequest": _NAME_AND_VERSION,
    "StatisticDuration": {"count": (1, "uint64"), "ns": (2, "uint64")},
    "InferStatistics": {"success": (1, "StatisticDuration"), "fail": (2, "StatisticDuration")},
    "ModelStatistics": {
        **_NAME_AND_VERSION,
        "inference_count": (4, "uint64"),
        "execution_count": (5, "uint64"),
        "inference_stats": (6, "InferStatistics"),
    },
    "ModelStatisticsResponse": {"model_stats": (1, "*ModelStatistics")},
}
_HEALTH: dict[str, dict[str, tuple[int, str]]] = {
    "HealthCheckRequest": {"service": (1, "string")},
    "HealthCheckResponse": {"status": (1, "int32")},
}


def _message(package: str, name: str, fields: dict[str, tuple[int, str]]) -> descriptor_pb2.DescriptorProto:
    message = descriptor_pb2.DescriptorProto(name=name)
    for field_name, (number, kind) in fields.items():
        field = message.field.add(name=field_name, number=number, label=_Field.LABEL_OPTIONAL)
        if kind.startswith("map "):
            entry = field_name.title().replace("_", "") + "Entry"
            nested = message.nested_type.add(name=entry)
            nested.CopyFrom(_message(package, entry, {"key": (1, "string"), "value": (2, kind[4:])}))
            nested.options.map_entry = True
            field.type, field.label = _Field.TYPE_MESSAGE, _Field.LABEL_REPEATED
            field.type_name = f".{package}.{name}.{entry}"
            continue
        if kind[0] == "?":
            field.oneof_index = 0
        if kind[0] == "*":
            field.label = _Field.LABEL_REPEATED
        scalar = kind.lstrip("*?")
        field.type = _SCALARS.get(scalar, _Field.TYPE_MESSAGE)
        if scalar not in _SCALARS:
            field.type_name = f".{package}.{scalar}"
    if any(kind[0] == "?" for _, kind in fields.values()):
        message.oneof_decl.add(name="parameter_choice")
    return message


def _classes(package: str, messages: dict[str, dict[str, tuple[int, str]]]) -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        file.message_type.add().CopyFrom(_message(package, name, fields))
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


CLASSES: dict[str, Any] = {**_classes("inference", _INFERENCE), **_classes("grpc.health.v1", _HEALTH)}

InferParameter = CLASSES["InferParameter"]
ModelInferRequest = CLASSES["ModelInferRequest"]
ModelInferResponse = CLASSES["ModelInferResponse"]
ModelStreamInferResponse = CLASSES["ModelStreamInferResponse"]
