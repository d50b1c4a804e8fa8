"""The names of topics that are made for servings, and those that no topic can have."""

import re
import secrets

from serving.errors import ServingError
from serving.models import Topic
from serving.settings import CREATE, NONE

LONGEST_STEM = 200
"""A topic is a folder too, and its name has at most 249 characters in Kafka."""
NUMBERS = 10_000
MEANINGS = {CREATE: "a new topic", NONE: "no topic"}
"""Words that stand where a topic's name may, in any case."""


def is_own(topic: str, serving: str) -> bool:
    """Whether a topic has a name that is made for a serving of this name."""
    return re.fullmatch(rf"{re.escape(serving[:LONGEST_STEM])}-inf[0-9]{{4}}", topic) is not None


def free(serving: str) -> str:
    """`<serving>-inf<4 digits>` that no topic of the installation has."""
    stem = f"{serving[:LONGEST_STEM]}-inf"
    taken = set(Topic.objects.filter(name__startswith=stem).values_list("name", flat=True))
    names = [name for number in range(NUMBERS) if (name := f"{stem}{number:04d}") not in taken]
    if not names:
        raise ServingError(
            f"Every name from {stem}0000 to {stem}9999 is taken; make a topic by hand and choose it.",
            field="topic",
        )
    return secrets.choice(names)
