"""Servings that are asked through topics: where their dead letters go, and how it goes."""

from typing import Any

from serving.models import Topic

DEAD = "-dead"


def dead_topic(input_topic: str) -> str:
    """The topic of the requests that could not be answered."""
    return input_topic + DEAD


def progress(topic: Topic) -> dict[str, Any]:
    """How the requests of an input topic went: `answered`, `failed` (attempts that were made again), `dead`, `lag`,
    `since` and `problem`, the newest sentence of what keeps them from being asked, empty if nothing does.
    """
    said = topic.consumed
    numbers = {name: said.get(name, 0) for name in ("answered", "failed", "dead", "lag")}
    return numbers | {"since": said.get("since", ""), "problem": said.get("problem", "")}
