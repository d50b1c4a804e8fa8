"""How topics and their messages are shown: sizes, counts, bytes that people can read."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from serving.models import DeadLetter, Topic
from serving.topics.queries import LOG, Use

BYTES_SHOWN = 2_048
BYTES_A_LINE = 16
PARTITIONS_SHOWN = 100
COUNTS = {
    "stored": "stored",
    "answered": "answered",
    "failed": "failed",
    "dead": "given up",
    "skipped": "skipped",
    "lag": "waiting",
}


@dataclass(frozen=True)
class Row:
    """A topic with who uses it and, once the broker has been asked, what it said."""

    topic: Topic
    uses: list[Use]

    @property
    def servings(self) -> list[str]:
        """The names of the servings, each once."""
        return list(dict.fromkeys(use.serving for use in self.uses))

    @property
    def loggers(self) -> list[str]:
        """The names of the servings whose log it is."""
        return list(dict.fromkeys(use.serving for use in self.uses if use.role == LOG))

    @property
    def partitions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.topic.described.get("partitions") or []
        return found

    @property
    def shown_partitions(self) -> list[dict[str, Any]]:
        return self.partitions[:PARTITIONS_SHOWN]

    @property
    def more_partitions(self) -> int:
        return max(0, len(self.partitions) - PARTITIONS_SHOWN)

    @property
    def bytes(self) -> int | None:
        found: int | None = self.topic.described.get("bytes")
        return found

    @property
    def messages(self) -> int | None:
        return messages(self.topic)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How its messages were taken in, in words; what there is none of is left out but for the first."""
        named = [(label, self.topic.consumed.get(name)) for name, label in COUNTS.items()]
        found = [(label, number) for label, number in named if isinstance(number, int)]
        return [each for at, each in enumerate(found) if each[1] or at == 0]


@dataclass(frozen=True)
class ShownLetter:
    """A dead letter with its bytes as text or, where they are none, as hexadecimal numbers."""

    letter: DeadLetter
    text: str
    is_text: bool
    is_cut: bool


def messages(topic: Topic) -> int | None:
    """How many there are, None where nobody has counted them: positions in files are bytes."""
    found: int | None = topic.described.get("messages")
    return found if settings.KAFKA_BROKERS else None


def letter(found: DeadLetter) -> ShownLetter:
    value = bytes(found.value)
    shown = value[:BYTES_SHOWN]
    said = text(shown, is_cut=len(value) > len(shown))
    return ShownLetter(
        found, dump(shown) if said is None else said, said is not None, len(value) > len(shown)
    )


def text(value: bytes, *, is_cut: bool = False) -> str | None:
    """The bytes as text in UTF-8 that can be printed, None if they are not; the end may have been cut off."""
    for dropped in range(4 if is_cut else 1):
        try:
            said = value[: len(value) - dropped].decode()
        except UnicodeDecodeError:
            continue
        return said if all(each.isprintable() or each in "\n\r\t" for each in said) else None
    return None


def dump(value: bytes) -> str:
    """Position, bytes and their ASCII, sixteen a line."""
    starts = range(0, len(value), BYTES_A_LINE)
    return "\n".join(_dumped(start, value[start : start + BYTES_A_LINE]) for start in starts)


def _dumped(start: int, line: bytes) -> str:
    ascii_only = "".join(chr(each) if 32 <= each < 127 else "." for each in line)
    return f"{start:06x}  {line.hex(' '):<47}  {ascii_only}"
