"""Which sink, which spill and which events a shipper has been told to use."""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hopyard.server.inference_log import shrinking
from hopyard.server.inference_log.shipping.orders import Orders
from hopyard.server.inference_log.shipping.preparing import MLRUN
from hopyard.server.inference_log.sinks import Sink
from hopyard.server.inference_log.spill import Spill

if TYPE_CHECKING:
    from hopyard.server.inference_log.sinks.events import EventsSink

MB = 1_000_000
MOST_PRIVATE_MB = 32
"""Of a spill in a temporary folder, which may be memory."""


def posts(orders: Orders) -> bool:
    """Whether records go to the platform, which encodes them itself."""
    return bool(orders.control_url) and not orders.kafka_brokers


def sink(orders: Orders) -> Sink:
    """It is given nothing where there is no topic. Each of them needs other packages."""
    if orders.kafka_brokers:
        from hopyard.server.inference_log.sinks.kafka import KafkaSink

        shrink = (
            shrinking.mlrun if orders.topic_subject == MLRUN else partial(shrinking.avro, orders.topic_schema)
        )
        return KafkaSink(orders.kafka_brokers, orders.topic, orders.kafka_options, shrink)
    if orders.control_url:
        from hopyard.server.inference_log.sinks.aside import Aside
        from hopyard.server.inference_log.sinks.posting import Posting

        return Aside(Posting(orders.control_url, orders.token))
    from hopyard.server.inference_log.sinks.folder import FolderSink

    return FolderSink((orders.topic_dir or Path()) / orders.topic, orders.writer)


def is_kept(orders: Orders) -> bool:
    """Whether the platform sends on what a replica leaves in its spill: it has to be there, and to be the topic's own
    messages.
    """
    return orders.spill_dir is not None and orders.spill_mb > 0 and orders.has_topic and not posts(orders)


@contextlib.contextmanager
def spill(orders: Orders) -> Iterator[Spill]:
    """Where the platform looks for what is left, or a temporary folder that nobody else looks into."""
    if orders.spill_dir is not None and is_kept(orders):
        folder = orders.spill_dir / orders.topic
        with contextlib.closing(Spill(folder, orders.writer, orders.spill_mb * MB)) as kept:
            yield kept
        return
    private = _private(orders)
    most = min(orders.spill_mb, MOST_PRIVATE_MB) * MB if private else 0
    try:
        with contextlib.closing(Spill(private or Path(), orders.writer, most)) as kept:
            yield kept
    finally:
        if private:
            with contextlib.suppress(OSError):  # somebody else's files are in it
                private.rmdir()


def events(orders: Orders) -> "EventsSink | None":
    """Where CloudEvents go, if they are wanted."""
    if not orders.events_url:
        return None
    from hopyard.server.inference_log.pairs import Pairs
    from hopyard.server.inference_log.sinks.events import EventsSink

    return EventsSink(orders.events_url, Pairs(orders.origin, exact=not orders.redaction))


def _private(orders: Orders) -> Path | None:
    """A temporary folder that the next shipper of this replica finds again, as this one may be killed; none where
    nothing can be written, or somebody else's has its name.
    """
    where = (orders.topic_dir, *orders.kafka_brokers, orders.control_url, orders.project, orders.serving_id)
    whose = (orders.writer, orders.topic, orders.topic_subject, orders.topic_schema, os.getuid(), *where)
    name = hashlib.sha256(repr(tuple(map(str, whose))).encode()).hexdigest()[:16]
    try:
        folder = Path(tempfile.gettempdir()) / f"hopyard-spill-{name}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:
        return None
    is_ours = found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
    return folder if stat.S_ISDIR(found.st_mode) and is_ours else None
