"""What pages show of the calls of a serving: how its log goes, and one call in full."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat

from serving import addresses, commands, streaming
from serving.forms.trying import Verb
from serving.models import InferenceRecord, Replica, Revision, Serving, Topic
from serving.states import ReplicaState
from serving.topics import queries

LONGEST_BODY = 100_000
LONGEST_LINE = 100
WIDTH = 1000
COUNTS = ("sent", "spilled", "dropped", "waiting")
TIMES = (
    ("queue_us", "Waiting for its turn"),
    ("preprocess_us", "Preprocess"),
    ("predict_us", "Predict"),
    ("postprocess_us", "Postprocess"),
)


@dataclass(frozen=True)
class Log:
    """How the log of calls goes: counts of the living replicas, and what became of the topic's messages."""

    topic: Topic | None
    sent: int
    spilled: int
    dropped: int
    waiting: int

    @property
    def stored(self) -> int:
        return _count(self.topic, "stored")

    @property
    def skipped(self) -> int:
        return _count(self.topic, "skipped")

    @property
    def lag(self) -> int:
        return _count(self.topic, "lag")


@dataclass(frozen=True)
class Stream:
    """How the requests go that a serving takes from a topic; `dead` is where those go that it cannot answer."""

    topic: Topic
    output: str
    dead: Topic | None
    answered: int
    failed: int
    given_up: int
    lag: int
    problem: str

    @property
    def waiting(self) -> str:
        """Of folders nobody counts messages."""
        return str(self.lag) if settings.KAFKA_BROKERS else filesizeformat(self.lag)


@dataclass(frozen=True)
class Part:
    """A part of the time a call took: `x` and `width` of its bar, of 1000."""

    name: str
    field: str
    microseconds: int
    x: int
    width: int


@dataclass(frozen=True)
class Body:
    """A body as it is shown: `text` is empty if it was not kept, `more` characters were cut."""

    name: str
    text: str
    more: int
    size: int
    sha256: str


def log(serving: Serving) -> Log:
    living: QuerySet[Replica] = serving.replicas.exclude(state=ReplicaState.EXITED)
    said = [counts for counts in living.values_list("log_counts", flat=True) if counts]
    sums = {name: sum(_whole(each.get(name)) for each in said) for name in COUNTS}
    topic = Topic.objects.filter(
        project=serving.project, name=serving.current.topic, is_deleted=False
    ).first()
    return Log(topic if serving.current.topic else None, **sums)


def stream(serving: Serving) -> Stream | None:
    """None of a serving that is asked through no topic."""
    name = serving.current.input_topic
    topic = queries.find(serving.project, name) if name else None
    if topic is None:
        return None
    said = streaming.progress(topic)
    return Stream(
        topic=topic,
        output=serving.current.output_topic,
        dead=queries.find(serving.project, streaming.dead_topic(name)),
        answered=_whole(said["answered"]),
        failed=_whole(said["failed"]),
        given_up=_whole(said["dead"]),
        lag=_whole(said["lag"]),
        problem=said["problem"],
    )


def parts(record: InferenceRecord) -> list[Part]:
    """The measured parts in their order, and the rest; empty where nothing was measured."""
    measured = [(name, field, getattr(record, field)) for field, name in TIMES]
    known = [(name, field, took) for name, field, took in measured if took is not None]
    if not known:
        return []
    whole = max(record.duration_us, sum(took for _, _, took in known), 1)
    known.append(("Reading, writing and the rest", "rest_us", whole - sum(took for _, _, took in known)))
    found, before = [], 0
    for name, field, took in known:
        start, end = before * WIDTH // whole, (before + took) * WIDTH // whole
        found.append(Part(name, field, took, start, end - start))
        before += took
    return found


def bodies(record: InferenceRecord) -> list[Body]:
    return [
        _body("Inputs", record.inputs, record.inputs_bytes, record.inputs_sha256),
        _body("Predictions", record.outputs, record.outputs_bytes, record.outputs_sha256),
    ]


def command(serving: Serving, record: InferenceRecord) -> str:
    """A curl that asks the same again; empty where what was asked is not known."""
    if record.protocol == "v2":
        path = f"/v2/models/{serving.name}/infer"
    elif record.protocol == "v1" and record.verb:
        path = f"/v1/models/{serving.name}:{record.verb}"
    else:
        return ""
    if not record.inputs:
        return ""
    is_short = len(record.inputs) <= commands.LONGEST_BODY
    data = shlex.quote(record.inputs) if is_short else f"@{commands.REQUEST_FILE}"
    return commands.curl(addresses.path_base(serving) + path, data)


def verb_to_try(record: InferenceRecord) -> str:
    """The method by which Try it asks the same again; empty where it cannot."""
    suits = record.verb in Verb.values and (record.verb == Verb.INFER) == (record.protocol == "v2")
    return record.verb if suits and record.inputs else ""


def revision(serving: Serving, number: int) -> Revision | None:
    return serving.revisions.filter(number=number).first()


def pretty(text: str) -> str:
    """JSON indented, what is short on one line; any other text as it is."""
    try:
        return _indented(json.loads(text), "")
    except (ValueError, RecursionError):
        return text


def _indented(value: Any, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(line) <= LONGEST_LINE:
        return line
    inner = indent + "  "
    if isinstance(value, list):
        items = [_indented(each, inner) for each in value]
    else:
        items = [
            f"{json.dumps(key, ensure_ascii=False)}: {_indented(each, inner)}" for key, each in value.items()
        ]
    start, end = ("[", "]") if isinstance(value, list) else ("{", "}")
    return f"{start}\n" + ",\n".join(inner + item for item in items) + f"\n{indent}{end}"


def _body(name: str, kept: str, size: int, sha256: str) -> Body:
    text = pretty(kept) if len(kept) <= LONGEST_BODY else kept
    return Body(name, text[:LONGEST_BODY], max(0, len(text) - LONGEST_BODY), size, sha256)


def _count(topic: Topic | None, name: str) -> int:
    return _whole(topic.consumed.get(name)) if topic else 0


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
