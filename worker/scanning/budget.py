"""How much a file may unpack to, and how deep files may lie in files, before we stop looking."""

from dataclasses import dataclass

MOST_RATIO = 200
RATIO_COUNTS_FROM = 64 * 1024 * 1024
MOST_FILES = 20_000
DEEPEST = 5


class TooMuch(Exception):
    """It unpacks to more than we look at; the text says what."""


@dataclass
class Budget:
    """What is left for one file and all that is packed in it."""

    unpacked_bytes: int
    files: int = MOST_FILES

    def spend(self, unpacked: int, *, packed: int, already: int) -> None:
        """Pay for bytes just unpacked; `already` came of the same `packed` bytes before."""
        self.unpacked_bytes -= unpacked
        if self.unpacked_bytes < 0:
            raise TooMuch("It unpacks to more than is looked at.")
        total = already + unpacked
        if total > RATIO_COUNTS_FROM and total > MOST_RATIO * max(packed, 1):
            raise TooMuch(f"It unpacks to more than {MOST_RATIO} times its size, as only traps do.")

    def open_file(self) -> None:
        self.files -= 1
        if self.files < 0:
            raise TooMuch(f"It holds more than {MOST_FILES} files.")
