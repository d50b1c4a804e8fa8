"""`kserve.protocol.grpc`: the protocol's messages."""
