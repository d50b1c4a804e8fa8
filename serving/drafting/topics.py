"""Which topic a revision logs its calls to."""

import re
import secrets

from accounts.models import Project
from serving.errors import ServingError
from serving.models import InferenceLogging, Revision
from serving.settings import CREATE, NONE, Settings

OWN_TOPIC = r"{name}-inf[0-9]{{4}}"


def topic(project: Project, wanted: Settings, current: Revision | None) -> str:
    """The topic's name, empty for none. CREATE keeps the topic that an earlier CREATE made."""
    asked = wanted.topic.strip()
    if asked.upper() == NONE or not asked or wanted.inference_logging == InferenceLogging.NONE:
        return ""
    own = re.compile(OWN_TOPIC.format(name=re.escape(_topic_stem(wanted))))
    if asked.upper() == CREATE:
        if current is not None and own.fullmatch(current.topic):
            return current.topic
        return f"{_topic_stem(wanted)}-inf{secrets.randbelow(10_000):04d}"
    if not Revision.objects.filter(serving__project=project, topic=asked).exists():
        raise ServingError(
            f"There is no topic {asked} in {project}; write CREATE for a new one, or NONE.", field="topic"
        )
    return asked


def _topic_stem(wanted: Settings) -> str:
    """A topic is a folder too, and its name has at most 249 characters in Kafka."""
    return wanted.name[:200]
