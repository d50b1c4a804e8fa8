"""Which topic a revision logs its calls to; a draft registers none."""

from typing import Any

from accounts.models import Project
from serving.errors import ServingError
from serving.models import InferenceLogging, RecordFormat, Revision, Topic
from serving.settings import CREATE, NONE, Settings
from serving.topics import naming, queries, schemas

OTHERWISE = "write CREATE for a new one, or NONE."


def columns(project: Project, wanted: Settings, current: Revision | None) -> dict[str, Any]:
    """The columns `topic`, empty for none, `topic_partitions` and `topic_replication` of a revision.

    CREATE keeps the topic that an earlier CREATE made. Raises ServingError for a topic that will not do.
    """
    name = wanted.topic.strip()
    if name.upper() == NONE or not name or wanted.inference_logging == InferenceLogging.NONE:
        return _columns("", wanted.topic_partitions, wanted.topic_replication)
    is_new = name.upper() == CREATE or _is_left(name, wanted, current)
    found = _kept(project, wanted, current) if is_new else _existing(project, wanted)
    if found is None:
        return _columns(naming.free(wanted.name), wanted.topic_partitions, wanted.topic_replication)
    if found.state != Topic.State.READY and naming.is_own(found.name, wanted.name):
        return _columns(found.name, wanted.topic_partitions, wanted.topic_replication)
    if not is_new and current is not None and current.topic == found.name:
        _check_numbers(found, wanted, current)
    return _columns(found.name, found.partitions, found.replication)


def why_not(topic: Topic, record_format: str) -> str | None:
    """Why records of this format cannot go to a topic, None if they can."""
    if record_format == RecordFormat.MLRUN:
        if topic.subject == schemas.MLRUN:
            return None
        return f"{_subject(topic)}, and MLRun's records go to a topic of the subject {schemas.MLRUN}"
    if topic.subject == schemas.MLRUN:
        return f"{_subject(topic)}, and inference records in Avro go to a topic of {schemas.SUBJECT}"
    if topic.subject.lower() != schemas.SUBJECT:
        return f"{_subject(topic)}, and not the inference schema ({schemas.SUBJECT})"
    if topic.schema_version in schemas.WRITTEN:
        return None
    known = ", ".join(map(str, schemas.WRITTEN))
    why = " is KServe's, one event for each direction" if topic.schema_version == 4 else " is not known"
    return (
        f"has version {topic.schema_version} of {schemas.SUBJECT}, which{why}; a serving writes one record a call, "
        f"in version {known}"
    )


def _existing(project: Project, wanted: Settings) -> Topic:
    name = wanted.topic.strip()
    found = queries.find(project, name)
    if found is None:
        raise ServingError(f"There is no topic {name[:249]} in {project}; {OTHERWISE}", field="topic")
    reason = why_not(found, wanted.record_format)
    if reason is not None:
        raise ServingError(f"{found} {reason}; {OTHERWISE}", field="topic")
    return found


def _kept(project: Project, wanted: Settings, current: Revision | None) -> Topic | None:
    """The topic that an earlier CREATE made for this serving, if it is of the format that is asked for."""
    if current is None or not naming.is_own(current.topic, wanted.name):
        return None
    found = queries.find(project, current.topic)
    return found if found is not None and why_not(found, wanted.record_format) is None else None


def _is_left(name: str, wanted: Settings, current: Revision | None) -> bool:
    """Whether a serving leaves its own topic because its records get another format, and needs a new one."""
    if current is None or name != current.topic or not naming.is_own(name, wanted.name):
        return False
    return wanted.record_format != current.record_format


def _check_numbers(topic: Topic, wanted: Settings, current: Revision) -> None:
    """Raises ServingError if an edit asks for other numbers than the topic has, which stay as they are."""
    for field, has in (("topic_partitions", topic.partitions), ("topic_replication", topic.replication)):
        asked = getattr(wanted, field)
        if asked not in {has, getattr(current, field)}:
            what = field.removeprefix("topic_")
            raise ServingError(
                f"{topic} has been made with {what} {has}, which stays so; make another topic and choose it.",
                field=field,
            )


def _subject(topic: Topic) -> str:
    return f"has the subject {topic.subject}" if topic.subject else "has no schema"


def _columns(name: str, partitions: int, replication: int) -> dict[str, Any]:
    return {"topic": name, "topic_partitions": partitions, "topic_replication": replication}
