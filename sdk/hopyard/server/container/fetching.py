"""Fetches a replica's files from the platform: one tar, unpacked while it comes.

The address is signed and good for some minutes. A platform that is just restarting, and a transfer that breaks off, are
tried again for some time; a transfer that goes on may take longer than that. An answer that says no is final.
"""

import http.client
import logging
import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from hopyard.server.container import unpacking
from hopyard.server.control import connect
from hopyard.server.failures import Failure

TIMEOUT_SECONDS = 15.0  # of a connection, and of each read
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
PASSING = (408, 425, 429)

log = logging.getLogger(__name__)


class Unreachable(Exception):
    """This try came to nothing; another may."""


def fetch(
    url: str,
    folders: Mapping[str, Path],
    *,
    seconds: float,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Fill each folder with the members below its name. Raises Failure FilesUnreachable, FilesWithheld and
    FilesNotLaidOut.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            began = time.monotonic()
            count, size = _once(url, folders)
        except Unreachable as error:
            if time.monotonic() + pause > deadline:
                raise _given_up(url, seconds, str(error)) from None
            log.warning("The files cannot be fetched yet: %s", error)
        else:
            spent = time.monotonic() - began
            log.info("Fetched %d files, %.1f MB, in %.2f s", count, size / 1e6, spent)
            return
        sleep(pause * random.uniform(0.75, 1.0))  # noqa: S311 - replicas that start together come back apart
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _once(url: str, folders: Mapping[str, Path]) -> tuple[int, int]:
    """How many files came, and their bytes."""
    parts = urlsplit(url)
    connection = connect(url, TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise _not_ok(answer)
        for folder in folders.values():
            _empty(folder)
        unpacked = unpacking.unpack(answer, folders)
        while answer.read(unpacking.CHUNK_BYTES):
            pass
        if answer.length:  # of what was announced: a tar cut between two files looks whole
            raise unpacking.Torn("the transfer broke off")
        return unpacked
    except (OSError, http.client.HTTPException, unpacking.Torn) as error:
        raise Unreachable(_why(error)) from None
    finally:
        connection.close()


def _not_ok(answer: http.client.HTTPResponse) -> Exception:
    said = answer.read(2000).decode(errors="replace").strip()
    if answer.status in PASSING or answer.status >= 500:
        return Unreachable(f"the platform answered {answer.status} {said}")
    return Failure(
        "FilesWithheld",
        f"The platform refused the replica's files with status {answer.status}; start the serving again, which makes "
        "a new address for them.",
        said,
    )


def _empty(folder: Path) -> None:
    """The folder itself may be a mount, and stays; what an earlier try left in it goes."""
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _given_up(url: str, seconds: float, why: str) -> Failure:
    where = urlsplit(url)
    return Failure(
        "FilesUnreachable",
        f"The replica's files could not be fetched from {where.scheme}://{where.netloc} within {seconds:g} s: {why}. "
        "See that the platform runs and that containers reach this address (HOPYARD_CONTROL_URL).",
    )
