"""Which messages people may add to a topic: their number and size, and that nothing of theirs gets among records."""

from collections.abc import Sequence

from serving.errors import ServingError
from serving.models import Topic
from serving.topics import queries
from serving.topics.errors import TopicIsLog

MOST_MESSAGES = 1_000
LARGEST_MESSAGE = 1_000_000  # Kafka's own limit is a little more


def check_values(values: Sequence[bytes]) -> None:
    """Raises ServingError for too many or too large ones."""
    if not 1 <= len(values) <= MOST_MESSAGES:
        raise ServingError(f"Give 1 to {MOST_MESSAGES} messages at a time.", field="messages")
    for number, value in enumerate(values):
        if len(value) > LARGEST_MESSAGE:
            raise ServingError(
                f"Message {number + 1} has {len(value)} bytes; the most is {LARGEST_MESSAGE}.",
                field="messages",
            )


def check_taker(topic: Topic) -> None:
    """Raises TopicIsLog for a topic that a serving or its canary logs to now; one of records that none does is open."""
    uses = queries.uses(topic.project, [topic.name])[topic.name]
    if servings := sorted({use.serving for use in uses if use.role == queries.LOG}):
        raise TopicIsLog(
            f"{topic} is the inference log of {', '.join(servings)}, to which only replicas write. To ask a serving, "
            "make a topic without a subject, give it to the serving as its input topic, and add the messages there."
        )
