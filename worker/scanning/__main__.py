"""The throw-away process: reads a file from standard input, confines itself, and prints the file's report as JSON.

Started as `python -I -m worker.scanning <scratch directory> <bytes it may unpack>`, without any environment.
"""

import codecs
import contextlib
import json
import os
import sys
import tempfile
from importlib import import_module

from worker.scanning import confinement
from worker.scanning.examining import examine

CODECS = ("raw-unicode-escape", "unicode-escape", "latin-1", "ascii", "cp437", "utf-8", "utf-16", "utf-32")


def main(scratch: str, unpacked_bytes: int) -> None:
    confinement.limit(file_bytes=unpacked_bytes)
    tempfile.tempdir = scratch
    _load_ahead()
    confinement.give_up_rights(scratch)
    with open(0, "rb", closefd=False) as file:
        answer = examine(file, unpacked_bytes)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


def _load_ahead() -> None:
    """Python finds these on first use, when this process may no longer read its libraries."""
    for each in CODECS:
        codecs.lookup(each)
    with contextlib.suppress(ImportError):
        import_module("lz4.frame")


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1], int(sys.argv[2]))
