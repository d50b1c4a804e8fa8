"""Keeps the inference records that replicas post, in their topics, as a replica that reaches its topic writes them.

What a replica says of a call is its own; which project, serving, revision and model it is of is not.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from serving.models import Replica, Revision, Serving, Topic
from serving.replica_documents import avro
from serving.topics import outbox, schemas
from serving.topics.outbox import NotKept as NotKept  # noqa: PLC0414 - what `keep` raises

MOST_BYTES = 8 * 1024 * 1024
MOST_CHARACTERS = 2 * 1024 * 1024
LARGEST_INT = 2**31 - 1
WRITER = "posted"
TIMES = ("queue_us", "preprocess_us", "predict_us", "postprocess_us")


class BadRecords(Exception):
    """Some line cannot be kept; the text says which and why. None of the others is kept either."""


def keep(serving: Serving, body: bytes) -> int:
    """Add the records in lines of JSON to the topics of their replicas' revisions and return how many. Raises
    BadRecords, NotKept and storage.StorageFull.
    """
    by_replica: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, line in enumerate(body.splitlines(), 1):
        try:
            record = _read(line)
        except (ValueError, RecursionError) as error:
            raise BadRecords(f"Line {number} is no inference record: {error}.") from None
        by_replica[record["replica"]].append(record)
    revisions = _revisions(serving, by_replica)
    topics = _topics(serving, revisions)
    by_topic: dict[str, list[bytes]] = defaultdict(list)
    for replica, records in by_replica.items():
        by_topic[revisions[replica].topic] += _values(serving, revisions[replica], topics, records)
    for topic, values in by_topic.items():
        outbox.put(topic, WRITER, values)
    return sum(map(len, by_topic.values()))


def _read(line: bytes) -> dict[str, Any]:
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("it is no JSON object")
    if "message" in said:
        return {"replica": _text(said, "replica"), "message": _message(_text(said, "message") or "")}
    texts = {name: _text(said, name) for name in ("request_id", "replica", "verb")}
    numbers = {name: _number(said, name) for name in ("requested_at", "duration_us")}
    status = {"status": _number(said, "status", most=LARGEST_INT)}
    times = {name: _number(said, name, may_miss=True) for name in TIMES}
    sizes = {name: _number(said, name, may_miss=True) or 0 for name in ("inputs_bytes", "outputs_bytes")}
    bodies = {name: _body(said, name) for name in ("inputs", "outputs")}
    optional = {name: _text(said, name, may_miss=True) for name in ("protocol", "error", "key_id")}
    return texts | numbers | status | times | sizes | bodies | optional


def _message(text: str) -> dict[str, Any]:
    """A record of MLRun's."""
    try:
        said = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise ValueError(f"its message is no JSON ({error})") from None
    if not isinstance(said, dict):
        raise ValueError("its message is no JSON object")
    return said


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _text(said: Mapping[str, Any], name: str, *, may_miss: bool = False) -> str | None:
    value = said.get(name)
    if value is None and may_miss:
        return None
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise ValueError(f"{name} is no text")
    return value.encode(errors="replace").decode()


def _number(
    said: Mapping[str, Any], name: str, *, most: int = 2**53 - 1, may_miss: bool = False
) -> int | None:
    value = said.get(name)
    if value is None and may_miss:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{name} is no whole number")
    return value


def _body(said: Mapping[str, Any], name: str) -> str | dict[str, Any] | None:
    """A text, or what stands for one that was too long: its size and sha256."""
    value = said.get(name)
    if not isinstance(value, dict):
        return _text(said, name, may_miss=True)
    return {"size": _number(value, "size"), "sha256": _text(value, "sha256")}


def _revisions(serving: Serving, replicas: Mapping[str, object]) -> dict[str, Revision]:
    """The revision that each replica runs. Raises BadRecords."""
    numbers = dict(Replica.objects.filter(serving=serving, name__in=replicas).values_list("name", "revision"))
    if strangers := sorted(replicas.keys() - numbers.keys()):
        raise BadRecords(f"{serving} has no replica {strangers[0][:60]}.")
    found = Revision.objects.filter(serving=serving, number__in=numbers.values())
    revisions = {each.number: each for each in found.select_related("model_version__model", "artifact")}
    if silent := sorted(
        name for name, number in numbers.items() if number not in revisions or not revisions[number].topic
    ):
        raise BadRecords(f"Replica {silent[0]} runs a revision that logs no calls.")
    return {name: revisions[number] for name, number in numbers.items()}


def _topics(serving: Serving, revisions: Mapping[str, Revision]) -> dict[str, Topic]:
    """By name. Raises BadRecords for one that has been deleted."""
    names = {revision.topic for revision in revisions.values()}
    its = Topic.objects.filter(project=serving.project, name__in=names, is_deleted=False)
    found = {topic.name: topic for topic in its}
    if gone := sorted(names - found.keys()):
        raise BadRecords(f"The topic {gone[0]} has been deleted.")
    return found


def _values(
    serving: Serving, revision: Revision, topics: Mapping[str, Topic], records: list[dict[str, Any]]
) -> list[bytes]:
    """The records as messages of the revision's topic. Raises BadRecords for those of another subject."""
    topic = topics[revision.topic]
    is_mlruns = topic.subject == schemas.MLRUN
    if any(("message" in record) is not is_mlruns for record in records):
        raise BadRecords(f"The topic {topic} is for messages of {topic.subject}.")
    if is_mlruns:
        return [_mlruns(serving, record) for record in records]
    write = avro.writer(serving, revision, topic.schema_version or schemas.CURRENT)
    return [write(record) for record in records]


def _mlruns(serving: Serving, record: Mapping[str, Any]) -> bytes:
    stamp = {"host": record["replica"], "function_uri": f"{serving.project.name}/{serving.name}"}
    return json.dumps(record["message"] | stamp, ensure_ascii=False, separators=(",", ":")).encode(
        errors="replace"
    )
