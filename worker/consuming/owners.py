"""Whose call a record is of: always a serving of the project that its topic belongs to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.models import Replica, Serving, Topic
from worker.consuming.said import Said


@dataclass(frozen=True)
class Owners:
    """The servings of a batch by number; those that log into a topic, for MLRun's records, which have no number; and
    the revisions of the replicas that these name.
    """

    numbered: Mapping[int, Serving]
    logging: Mapping[str, Sequence[Serving]]
    revisions: Mapping[tuple[int, str], int]

    @classmethod
    def of(cls, calls: Sequence[tuple[Topic, Said]]) -> "Owners":
        numbers = {call.serving for _, call in calls if call.serving is not None}
        nameless = {topic.name: topic for topic, call in calls if call.serving is None}
        logging = {name: _logging_into(topic) for name, topic in nameless.items()}
        hosts = {call.replica for _, call in calls if call.serving is None}
        replicas = Replica.objects.filter(name__in=hosts) if hosts else Replica.objects.none()
        named = replicas.values_list("serving_id", "name", "revision")
        revisions = {(serving, replica): number for serving, replica, number in named}
        return cls(Serving.objects.in_bulk(numbers), logging, revisions)

    def find(self, topic: Topic, call: Said) -> Serving | None:
        """None of a call that is no serving's of the topic's project. A deleted one is one still."""
        if call.serving is None:
            return self._named(self.logging[topic.name], topic.project.name, call.function)
        found = self.numbered.get(call.serving)
        return found if found is not None and found.project_id == topic.project_id else None

    def revision(self, serving: Serving, call: Said) -> int:
        """What the record says, or of one that says nothing that of the replica it names."""
        return call.revision or self.revisions.get((serving.pk, call.replica), 0)

    @staticmethod
    def _named(servings: Sequence[Serving], project: str, function: str) -> Serving | None:
        """The one of that name; the only one there is, unless a serving of ours is named (`<project>/<serving>`)."""
        of, _, name = function.lower().rpartition("/")
        named = [each for each in servings if each.name.lower() == name]
        living = [each for each in servings if not each.is_deleted]
        others: Sequence[Sequence[Serving]] = () if of == project.lower() else (living, servings)
        for candidates in ([each for each in named if not each.is_deleted], named[-1:], *others):
            if len(candidates) == 1:
                return candidates[0]
        return None


def _logging_into(topic: Topic) -> list[Serving]:
    """Those of its project whose revisions name it, in the order in which they were made."""
    found = Serving.objects.filter(project=topic.project_id, revisions__topic=topic.name)
    return list(found.distinct().order_by("pk"))
