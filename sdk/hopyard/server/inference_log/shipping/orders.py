"""What the server told its shipper first."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hopyard.server.inference_log.encoding import Origin


@dataclass(frozen=True)
class Orders:
    """The fields of `Config` that matter here, by their names, and `writer`: a name for files that is nobody else's."""

    writer: str
    topic: str
    topic_subject: str = "inferenceschema"
    topic_schema: int = 5
    topic_dir: Path | None = None
    kafka_brokers: tuple[str, ...] = ()
    kafka_options: Mapping[str, Any] = field(default_factory=dict)
    control_url: str = ""
    token: str = ""
    spill_dir: Path | None = None
    spill_mb: int = 256
    inference_logging: str = "ALL"
    sampling_percent: float = 100.0
    redaction: tuple[Mapping[str, Any], ...] = ()
    redaction_salt: str = ""
    events_url: str = ""
    serving_id: int = 0
    model_name: str = ""
    registered_model: str = ""
    model_version: str = ""
    artifact_version: str = ""
    project: str = ""
    revision: str = ""
    replica: str = ""
    drain_seconds: float = 10.0

    @property
    def has_topic(self) -> bool:
        """Whether there is a topic and a way to it; without, records are for CloudEvents alone."""
        return bool(self.topic and (self.kafka_brokers or self.control_url or self.topic_dir))

    @property
    def salt(self) -> str:
        """What goes before what is hashed; the platform gives one that nobody can guess."""
        return self.redaction_salt or f"{self.project}/{self.model_name}"

    @property
    def origin(self) -> Origin:
        return Origin(
            serving_id=self.serving_id,
            serving=self.model_name,
            model_version=_number(self.model_version),
            project=self.project,
            revision=_number(self.revision),
            replica=self.replica,
            model=self.registered_model,
            artifact_version=self.artifact_version,
            logging_mode=self.inference_logging,
            sampling_percent=self.sampling_percent,
        )


def read(told: Mapping[str, Any]) -> Orders:
    """Of the first frame; what else is in it does not matter. Raises TypeError where something is missing."""
    names = {each.name for each in dataclasses.fields(Orders)}
    known = {name: value for name, value in told.items() if name in names and value is not None}
    for name in ("topic_dir", "spill_dir"):
        if name in known:
            known[name] = Path(known[name])
    for name in ("kafka_brokers", "redaction"):
        known[name] = tuple(known.get(name, ()))
    if not any(known.get(name) for name in ("kafka_brokers", "control_url", "topic_dir")):
        known["topic"] = ""  # there is nowhere for it: calls are recorded for the events alone
    return Orders(**known)


def _number(text: str) -> int:
    """0 for what is no number; a server that was started by hand may have any text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
