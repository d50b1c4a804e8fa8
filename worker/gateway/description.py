"""What the gateway is to do, as plain values: where it listens, which servings it knows, who may call them."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Server:
    """A ready replica; `address` is host:port. A backup gets requests only while no other server of its backend
    is up.
    """

    name: str
    address: str
    is_backup: bool = False


_SOME = (Server("some", "127.0.0.1:1"),)


@dataclass(frozen=True)
class Entry:
    """A serving: `port` is its own, or 0 where its replicas listen on it themselves.

    `percent` of the requests go to `canary`, the others to `stable`.
    """

    number: int
    project: str
    serving: str
    token: str
    port: int = 0
    stable: tuple[Server, ...] = ()
    canary: tuple[Server, ...] = ()
    percent: int = 0

    @property
    def name(self) -> str:
        """Of its backend, in the statistics and in the maps."""
        return f"{self.project}.{self.serving}"

    @property
    def servers(self) -> dict[str, tuple[Server, ...]]:
        """What each of its backends has: the same replicas for HTTP and for gRPC, which is spoken on the same port.

        While there is a canary, either side stands in for the other should all of it die.
        """
        stable, canary = self.stable, self.canary
        if canary:
            stable, canary = stable + _backups(self.canary), canary + _backups(self.stable)
        return {
            self.name: stable,
            f"{self.name}.grpc": stable,
            f"{self.name}.canary": canary,
            f"{self.name}.canary.grpc": canary,
        }

    @property
    def frame(self) -> "Entry":
        """What needs a reload when it changes: all but its replicas and percents. Whether there is a canary at all is
        part of it, though not which.
        """
        return replace(self, stable=(), canary=_SOME if self.canary else (), percent=0)

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, text: str) -> "Entry":
        values: dict[str, Any] = json.loads(text)
        for name in ("stable", "canary"):
            values[name] = tuple(Server(**each) for each in values[name])
        return cls(**values)


def _backups(servers: tuple[Server, ...]) -> tuple[Server, ...]:
    """Under names of their own, since a server cannot change its role."""
    return tuple(Server(f"backup-{each.name}", each.address, is_backup=True) for each in servers)


@dataclass(frozen=True)
class Key:
    """An API key as the gateway checks it; `expires` is in epoch seconds, and `limit` of 0 is none."""

    id: str
    digest: str
    project: str
    expires: int = 0
    may_predict: bool = True
    limit: int = 0


@dataclass(frozen=True)
class Installation:
    """Where the gateway listens and what it allows. Addresses are host:port, sizes in bytes, times in seconds.

    `own_hosts` are the platform's own names, which are no servings' even below `domain`. `certificate` is a file, and
    `certificate_digest` what is in it.
    """

    bind: str
    web: str
    pepper: str
    port_host: str = "127.0.0.1"
    stats_bind: str = ""
    domain: str = ""
    own_hosts: tuple[str, ...] = ()
    tls_bind: str = ""
    certificate: str = ""
    certificate_digest: str = ""
    threads: int = 0
    connections: int = 4_000
    buffer_bytes: int = 16_384
    most_bytes: int = 64 * 1024 * 1024
    inference_seconds: int = 60
    queue_seconds: int = 10
    replica_requests: int = 1000
    access_log: bool = False
