"""The Open Inference Protocol over gRPC, on an HTTP/2 of our own: no library sits between socket and model."""

from hopyard.server.grpc.protocol import GrpcProtocol

__all__ = ["GrpcProtocol"]
