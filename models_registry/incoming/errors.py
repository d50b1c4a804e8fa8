"""What receiving chunks refuses, each with a code for programs and a sentence for people."""

from models_registry.errors import RegistryError


class BadChunking(RegistryError):
    """The announced size and chunk size do not go together."""

    code = "bad_chunk_bytes"


class NoSuchChunk(RegistryError):
    code = "no_such_chunk"


class ChunkDiffers(RegistryError):
    code = "chunk_differs"
    status = 409


class ChunksMissing(RegistryError):
    code = "chunks_missing"
    status = 409
