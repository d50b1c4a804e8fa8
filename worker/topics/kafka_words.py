"""What Kafka's errors mean for whoever asked: away for now, or refused; and its messages as ours."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import errors

from serving.topics.broker import BrokerAway, BrokerError, Message, StillJoining

NO_SUCH_TOPIC = "NoSuchTopic"
TROUBLE = (errors.KafkaError, OSError, RuntimeError)
"""What kafka-python raises; RuntimeError where a cluster has lost its controller."""
GROUP_WENT_ON = (
    errors.CommitFailedError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
)


def spoken(error: Exception, what: str, where: str) -> BrokerError:
    """The error of a call that was to do `what`, at the brokers `where`."""
    said = _said(error)
    code, reason = _refusal(error, what, said)
    if code:
        return BrokerError(code, reason)
    if isinstance(error, errors.SaslAuthenticationFailedError | errors.UnsupportedSaslMechanismError):
        reason = f"Kafka at {where} does not know us ({said}). Look at HOPYARD_KAFKA_OPTIONS."
        return BrokerAway("BrokerDoesNotKnowUs", reason)
    if _is_of_joining(error):
        return StillJoining(f"Kafka is sharing out the topics anew ({said}).")
    if isinstance(error, GROUP_WENT_ON):
        return BrokerAway("GroupWentOn", f"Kafka gave what was read to another reader ({said}).")
    is_lasting = isinstance(error, errors.KafkaError) and not error.retriable
    if is_lasting and not isinstance(
        error, errors.UnknownBrokerIdError
    ):  # that is a partition without a leader
        return BrokerError("BrokerRefused", f"Kafka refused to {what}: {said}.")
    return BrokerAway(
        "BrokerAway", f"Kafka cannot be reached at {where} to {what} ({said}). It is tried again."
    )


def is_refusal(error: Exception) -> bool:
    """Whether it is about what was asked for, so that the client that asked is as good as before."""
    return bool(_refusal(error, "", "")[0])


def _is_of_joining(error: Exception) -> bool:
    """A commit that the broker refused for it comes wrapped."""
    wrapped = isinstance(error, errors.CommitFailedError) and error.args[:1]
    return any(isinstance(each, errors.RebalanceInProgressError) for each in (error, *(wrapped or ())))


def _refusal(error: Exception, what: str, said: str) -> tuple[str, str]:
    """Code and reason of what will be refused again, empty for anything else."""
    match error:
        case errors.AuthorizationError():
            return "NotAllowed", f"Kafka does not allow us to {what} ({said})."
        case errors.MessageSizeTooLargeError() | errors.RecordListTooLargeError():
            return "MessageTooLarge", f"Kafka refused to {what}: the message is too large ({said})."
        case errors.UnknownTopicOrPartitionError():
            return NO_SUCH_TOPIC, f"Kafka cannot {what}: there is no such topic."
        case errors.InvalidTopicError():
            return "InvalidTopicName", f"Kafka refused to {what}: {said}."
        case errors.UnsupportedCodecError():
            reason = f"Messages are compressed in a way that cannot be read here ({said}); use lz4 or gzip."
            return "UnknownCompression", reason
    return "", ""


def refused(code: int, message: str | None) -> Exception | None:
    """What a code in an answer stands for."""
    kind = errors.for_code(code)
    return None if kind is errors.NoError else kind(message or kind.description)


def message_of(record: Any) -> Message:
    return Message(
        record.topic,
        str(record.partition),
        record.offset,
        record.value,
        key=record.key,
        timestamp_ms=max(0, record.timestamp or 0),
    )


def _said(error: Exception) -> str:
    said = " ".join(str(each) for each in error.args) if error.args else ""
    return (said or type(error).__name__).strip().rstrip(".")[:300]


@contextmanager
def unheard() -> Iterator[None]:
    """For farewells: what goes wrong with them is nobody's matter."""
    with contextlib.suppress(*TROUBLE):
        yield
