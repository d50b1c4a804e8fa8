"""What we claim: each case with its server of ours, the peers it is held against, and the bar."""

from dataclasses import dataclass

ALONE = ("fastapi", "kserve", "mlserver", "flask")
TOGETHER = ("mlserver-batch", "litserve-batch", "bentoml-batch", "ray-batch")
EVERY_PEER = (*ALONE, *TOGETHER)
LIMIT = "limit"  # not a server: the same predictions and JSON in one process without any


@dataclass(frozen=True, slots=True)
class Cell:
    """One measured thing. `traced`: every request carries a traceparent of its own."""

    target: str
    model: str
    connections: int
    traced: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """`ours` is at least `bar` times as good as the best of `peers`, by `metric`.

    For rps more is better, for p50_ms less; `tail` holds our p99 against the p50 of the best peer.
    """

    text: str
    model: str
    connections: int
    ours: str
    peers: tuple[str, ...]
    bar: float
    metric: str = "rps"
    traced: bool = False

    def cell(self, target: str) -> Cell:
        return Cell(target, self.model, self.connections, self.traced)


CLAIMS = (
    Claim("KNN, one row", "m1", 64, "hopyard", EVERY_PEER, 18),
    Claim("KNN, our p99 below the peer's p50", "m1", 64, "hopyard", TOGETHER, 1, metric="tail"),
    Claim("KNN, share of the in-process limit", "m1", 64, "hopyard", (LIMIT,), 0.45),
    Claim("forest of 100 trees, 30 features", "m2", 64, "hopyard", EVERY_PEER, 7),
    Claim("forest, against KServe", "m2", 64, "hopyard", ("kserve",), 40),
    Claim("echo, against FastAPI by hand", "m0", 64, "hopyard", ("fastapi",), 8),
    Claim("echo, against KServe", "m0", 64, "hopyard", ("kserve",), 15),
    Claim("echo, every request traced", "m0", 64, "hopyard", ("fastapi",), 8, traced=True),
    Claim("KNN, batching off", "m1", 64, "hopyard-off", ALONE, 1),
    Claim("KNN, 1 connection, p50", "m1", 1, "hopyard", EVERY_PEER, 1, metric="p50_ms"),
    Claim("3x224x224 floats as JSON", "m3", 16, "hopyard", EVERY_PEER, 2.5),
    Claim("3x224x224 floats, V2 binary", "m3", 16, "hopyard-v2-binary", ("kserve-v2-binary",), 100),
    Claim("KNN, V2 REST", "m1", 64, "hopyard-v2", ("kserve-v2",), 10),
    Claim("KNN, V2 gRPC", "m1", 64, "hopyard-grpc", ("kserve-grpc",), 10),
)
MEMORY_MIB = 40.0
FOREIGN = 0.25  # cores used by other processes, above which a sample is taken again
START_SECONDS = 0.5
STYLES = ("hopyard", "hopyard-v2server", "hopyard-kserve")


def claimed_cells(models: list[str], targets: set[str]) -> list[Cell]:
    """Every cell that the claims on these models need, once, of the targets that can be run."""
    found = {}
    for claim in CLAIMS:
        for target in (claim.ours, *claim.peers):
            if claim.model in models and target in targets:
                found[claim.cell(target)] = None
    return list(found)
