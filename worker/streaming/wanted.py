"""Which servings are to be asked through topics."""

from dataclasses import dataclass

from serving import streaming
from serving.models import Serving

GROUP_LENGTH = 100


@dataclass(frozen=True)
class Stream:
    """From which topic a serving is asked, and to which it answers; without `output_topic`, to none."""

    serving_id: int
    serving: str
    group: str
    input_topic: str
    output_topic: str

    @property
    def dead_topic(self) -> str:
        return streaming.dead_topic(self.input_topic)


def group(serving: Serving) -> str:
    """The name by which its readers know each other."""
    return serving.key[-GROUP_LENGTH:]  # its end is the number that makes it unique


def streams() -> set[Stream]:
    """Those of all servings that are wanted to run, by the revision that is wanted."""
    found = Serving.objects.filter(is_deleted=False, wanted_replicas__gt=0).exclude(revision__input_topic="")
    return {
        Stream(
            serving_id=serving.pk,
            serving=serving.name,
            group=group(serving),
            input_topic=serving.current.input_topic,
            output_topic=serving.current.output_topic,
        )
        for serving in found.exclude(revision=None).select_related("project", "revision")
    }
