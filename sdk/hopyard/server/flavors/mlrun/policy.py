"""Which calls of a model are recorded, and how many together: as `set_tracking` says, or the model's arguments."""

from dataclasses import dataclass
from typing import Any

from hopyard.server.failures import Failure

BATCH = "log_stream_batch"
SAMPLE = "log_stream_sample"
PERCENTAGE = "sampling_percentage"


@dataclass(frozen=True, slots=True)
class Policy:
    """Of calls, every `sample`-th is recorded, `batch` of them in one record; of the rows of a call so many in a
    hundred.
    """

    batch: int = 1
    sample: int = 1
    percentage: float = 100.0

    @classmethod
    def of(cls, model: Any) -> "Policy":
        """As the model's arguments say, else the parameters of its function. Raises Failure."""
        ask = getattr(model, "get_param", None) or model.context.get_param
        policy = cls(_count(ask, BATCH), _count(ask, SAMPLE), _percentage(ask))
        if policy.percentage < 100 and (policy.batch > 1 or policy.sample > 1):
            raise _wrong(f"{PERCENTAGE} is given beside {BATCH} or {SAMPLE}; give one or the other.")
        return policy


def _count(ask: Any, name: str) -> int:
    given = ask(name, None)
    try:
        count = 1 if given in (None, "") else int(given)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= 1_000_000:
        raise _wrong(f"{name} is {given!r}; it is a whole number of calls, 1 or more.")
    return count


def _percentage(ask: Any) -> float:
    given = ask(PERCENTAGE, None)
    try:
        percentage = 100.0 if given in (None, "") else float(given)
    except (TypeError, ValueError):
        percentage = 0.0
    if not 0 < percentage <= 100:
        raise _wrong(f"{PERCENTAGE} is {given!r}; it is more than 0 and at most 100.")
    return percentage


def _wrong(sentence: str) -> Failure:
    return Failure("ConfigurationInvalid", sentence)
