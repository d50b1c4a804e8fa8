"""How a file is cut into chunks: how many there are, where each one lies, how long it is. Pure."""

from dataclasses import dataclass

DEFAULT_CHUNK_BYTES = 8 * 1024 * 1024
LARGEST_CHUNK_BYTES = 64 * 1024 * 1024
MOST_CHUNKS = 50_000


@dataclass(frozen=True)
class Layout:
    """Chunks are numbered from 0 and all of `chunk_bytes`, but for the last; an empty file is one empty chunk."""

    size: int
    chunk_bytes: int

    @property
    def count(self) -> int:
        return max(1, -(-self.size // self.chunk_bytes))

    def offset(self, number: int) -> int:
        return number * self.chunk_bytes

    def length(self, number: int) -> int:
        return min(self.chunk_bytes, self.size - self.offset(number))


def runs(numbers: list[int]) -> str:
    """Sorted numbers in words short enough for a sentence: `0-3, 7, 9-12`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans[:10]]
    return ", ".join(shown) + (" and more" if len(spans) > 10 else "")
