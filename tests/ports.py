"""Ports that nobody listens on."""

import itertools
import os
import random
import socket

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
MANY = 1_500
FIRST = 10_000 + MANY * (1 + int(WORKER.removeprefix("gw")) if WORKER else 0)
"""Each process of the tests has its own, and outgoing connections have theirs far above them."""
_numbers = itertools.count(random.Random(os.getpid()).randrange(MANY))


def free_port() -> int:
    """Another one each time."""
    for number in itertools.islice(_numbers, MANY):
        port = FIRST + number % MANY
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"all ports from {FIRST} to {FIRST + MANY - 1} are taken")
