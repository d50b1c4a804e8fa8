"""`kserve.protocol.grpc.grpc_predict_v2_pb2`: the messages of the Open Inference Protocol, under their old address."""

from typing import Any


def __getattr__(name: str) -> Any:
    from hopyard.server.grpc.messages import CLASSES

    try:
        return CLASSES[name]
    except KeyError:
        raise AttributeError(f"the Open Inference Protocol has no message {name}") from None
