"""What one HTTP connection may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Sizes in bytes, times in seconds. A body may take `body` seconds and one more per `body_rate` bytes."""

    body_bytes: int = 64 * 1024 * 1024
    head_bytes: int = 32 * 1024
    pipelined: int = 32
    head: float = 20.0
    body: float = 30.0
    body_rate: int = 16 * 1024
    idle: float = 75.0
    write: float = 60.0
    linger: float = 3.0
