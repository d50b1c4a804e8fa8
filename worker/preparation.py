"""What must be there and found good before a revision's first replica starts: packages, allowed files, pre-flight,
topics.
"""

from dataclasses import dataclass

from serving import preflights, safety
from serving.models import Preflight, Revision, Serving, Topic
from worker.environments import prepare
from worker.failures import Failure

LONGEST_SENTENCE = 300


@dataclass(frozen=True)
class Preparation:
    """`sentence` says what is being done, empty when nothing is; `failure` why it came to nothing."""

    sentence: str = ""
    failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        return not self.sentence and self.failure is None


def of(serving: Serving, revision: Revision) -> Preparation:
    """How far the preparation of a revision is; what is missing has been asked for when this returns.

    A serving at rest needs its packages only: its files and its pre-flight are looked at when it is started.
    """
    packages = prepare.ready(revision)
    if packages.failure is not None:
        said = packages.failure
        failure = Failure(said["code"], said["reason"], said.get("evidence", ""), is_final=True)
        return Preparation(failure=failure)
    if not packages.is_ready:
        return Preparation(packages.sentence)
    if serving.wanted_replicas == 0:
        return Preparation()
    if serving.good_revision == revision.number:
        return Preparation()
    if refused := safety.reason(serving.project, revision):
        if safety.is_waiting(revision):
            return Preparation("Scanning the files")
        return Preparation(failure=Failure("FilesRefused", refused, is_final=True))
    checked = _checked(revision)
    return of_topics(revision) if checked.is_done else checked


def _checked(revision: Revision) -> Preparation:
    found = revision.preflight
    if found is None or revision.overridden_by_id is not None:
        return Preparation()
    if found.awaits_policy and safety.reason(found.project, revision) is None:
        preflights.ask_again(preflight=found, user=found.asked_by)
        found.refresh_from_db()
    if not found.is_finished:
        return Preparation(f"Checking the script{_now(found)}")
    if found.is_red:
        first = found.failed_checks[0] if found.failed_checks else {}
        return Preparation(
            failure=Failure(
                str(first.get("code") or "PreflightFailed"),
                f"The pre-flight is red: {first.get('sentence', '')}",
                str(first.get("evidence") or found.log[-4000:]),
                is_final=True,
            )
        )
    return Preparation()


def _now(found: Preflight) -> str:
    running = [str(check["title"]) for check in found.checks if check["state"] == "running"]
    return f": {running[0]}" if running else ""


def of_topics(revision: Revision) -> Preparation:
    """A topic that has been there once keeps nothing from starting: what cannot be sent is spilled."""
    names = {revision.topic, revision.input_topic, revision.output_topic}
    unready = Topic.objects.filter(name__in=names, is_deleted=False).exclude(state=Topic.State.READY)
    for topic in unready.order_by("state"):  # failed ones first
        if topic.state == Topic.State.FAILED:
            failure = Failure(
                "TopicFailed", f"The topic {topic} cannot be made. {topic.problem}", is_final=True
            )
            return Preparation(failure=failure)
        because = f": {topic.problem}" if topic.problem else ""
        return Preparation(f"Waiting for the topic {topic}{because}"[:LONGEST_SENTENCE])
    return Preparation()
