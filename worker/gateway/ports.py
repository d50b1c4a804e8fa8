"""Which ports another program has. HAProxy takes a configuration with all of its ports or not at all."""

import errno
import logging
import socket
from collections.abc import Iterable
from dataclasses import replace

from worker.gateway import installation
from worker.gateway.description import Entry
from worker.gateway.files import Files

log = logging.getLogger(__name__)

TAKEN = "ports-taken"  # a file with a line for each serving that has to do without its port
LOOKED_AGAIN_SECONDS = 15.0


def split(host: str, entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """All entries, without the ports that cannot be had; and those entries whose ports these are.

    Only where HAProxy is at hand: elsewhere it has other ports than this program.
    """
    entries = list(entries)
    if installation.program() is None:
        return entries, []
    without = [each for each in entries if each.port and is_taken(host, each.port)]
    return [replace(each, port=0) if each in without else each for each in entries], without


def is_taken(host: str, port: int) -> bool:
    """Asked in the way in which HAProxy takes it: what it holds itself, or a local replica, is no hindrance."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            return error.errno in {errno.EADDRINUSE, errno.EACCES}
    return False


def note(files: Files, without: Iterable[Entry]) -> None:
    """Remember who has to do without a port, and say it once."""
    path = files.folder / TAKEN
    known = path.read_text().splitlines() if path.exists() else []
    lines = {f"{each.port} {each.name}": each for each in without}
    for each in (lines[line] for line in lines if line not in known):
        log.warning(
            "Port %s of %s belongs to another program, so the serving cannot be reached there; it can by its path."
            " Hopyard takes the port as soon as it is free.",
            each.port,
            each.name,
        )
    path.unlink(missing_ok=True)  # so that its time is now
    if lines:
        files.write(TAKEN, "\n".join(lines))


def are_due(files: Files) -> bool:
    """Whether it is time to look again whether a port is free."""
    return (files.folder / TAKEN).exists() and files.age(TAKEN) > LOOKED_AGAIN_SECONDS
