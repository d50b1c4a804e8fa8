"""Brings the files and a running HAProxy to what is wanted. The lock is held by whoever calls."""

import contextlib
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.gateway import changes, maps, render
from worker.gateway.description import Entry, Installation, Key
from worker.gateway.files import Files
from worker.gateway.installation import CONFIGURATION
from worker.gateway.runtime import Away, Refused, Runtime, Seen

log = logging.getLogger(__name__)

PROVEN = "haproxy.proven.cfg"


@dataclass(frozen=True)
class Gateway:
    """The files and the program that belong together."""

    installation: Installation
    files: Files
    runtime: Runtime

    def written(self) -> str:
        """The digest of the structure that the file has; empty if it was written with other settings, or never."""
        text = self.files.configuration()
        mark = render.settings_mark(self.installation)
        return render.structure_in(text) if mark in text.partition("\n")[0] else ""

    def write(self) -> str:
        """Everything but the keys, as HAProxy would read it when started now; returns the digest of its structure."""
        entries = self.files.entries()
        structure = render.structure(self.installation, entries)
        self._keep_what_runs(structure)
        self.files.write_map(maps.SERVINGS, maps.servings(entries))
        self.files.write_map(maps.HOSTS, maps.hosts(entries, self.installation.domain))
        self.files.write_map(maps.CANARIES, maps.canaries(entries))
        for name in (maps.KEYS, maps.FREE_KEYS):
            self.files.write_map(name, self.files.map(name))
        self.files.write(CONFIGURATION, render.configuration(self.installation, entries))
        return structure

    def tell(self, structure: str, entries: Iterable[Entry]) -> None:
        """Have the running HAProxy follow: by a reload, which reads it all, or else by commands for these servings.

        Raises Away; and Refused, but not before the servings that it knows have been told.
        """
        refused = None
        if self.runtime.structure() != structure:
            try:
                self._reload(structure)
                return
            except Refused as error:
                refused = error
        known = [(entry, self.runtime.servers(entry.servers)) for entry in entries]
        for entry, seen in known:
            self._bring(entry, seen)
        self._tell_map(maps.CANARIES)  # before a canary goes, and after it came
        for entry, seen in known:
            self._drain(entry, seen)
        if self._owed.exists():
            self.tell_keys()
        if refused is not None:
            raise refused

    def write_keys(self, known: Collection[Key]) -> None:
        self.files.write_map(maps.KEYS, maps.keys(known))
        self.files.write_map(maps.FREE_KEYS, maps.free_keys(known))

    def tell_keys(self) -> None:
        """What HAProxy could not be told of the keys is told with the next serving. Raises Away, and Refused."""
        self._owed.touch()
        self._tell_map(maps.KEYS)
        self._tell_map(maps.FREE_KEYS)
        self._owed.unlink(missing_ok=True)

    def forget_troubles(self) -> None:
        """HAProxy is about to read everything anew."""
        for mark in (self._owed, self._refused):
            mark.unlink(missing_ok=True)

    @property
    def _owed(self) -> Path:
        return self.files.folder / "keys-owed"

    @property
    def _refused(self) -> Path:
        """Holds the digest of a configuration that HAProxy did not take."""
        return self.files.folder / "refused"

    def _tell_map(self, name: str) -> None:
        wanted, has = self.files.map(name), self.runtime.map(name)
        if has == wanted:
            return
        commands = changes.of_map(name, wanted, has)
        if commands is None:
            self.runtime.replace_map(name, wanted)
        for command in commands or ():
            self.runtime.tell(command)

    def _bring(self, entry: Entry, seen: Mapping[str, Mapping[str, Seen]]) -> None:
        for backend, wanted in entry.servers.items():
            options = render.server_options(self.installation, backend)
            for command in changes.arrivals(backend, wanted, seen[backend], options):
                self.runtime.tell(command)

    def _drain(self, entry: Entry, seen: Mapping[str, Mapping[str, Seen]]) -> None:
        for backend, wanted in entry.servers.items():
            for command in changes.departures(backend, wanted, seen[backend]):
                self.runtime.tell(command)
            for rest, end in changes.removals(backend, wanted, seen[backend]):
                self.runtime.tell(rest)
                with contextlib.suppress(Refused):  # it has requests under way: the next call tries again
                    self.runtime.tell(end)

    def _keep_what_runs(self, structure: str) -> None:
        """Keep the configuration that HAProxy has taken, for the case that it refuses the next."""
        text = self.files.configuration()
        with contextlib.suppress(Away):
            if render.structure_in(text) != structure and self.runtime.structure() == render.structure_in(
                text
            ):
                self.files.write(PROVEN, text)

    def _reload(self, structure: str) -> None:
        """Once for each configuration: one that was refused is not offered again until something else changes, and
        the file is again one with which HAProxy can be started.
        """
        mark = self._refused
        if mark.exists() and mark.read_text() == structure:
            self._restore()
            raise Refused("HAProxy keeps to an older configuration, since it refused the newest.")
        try:
            self.runtime.check()
            self.runtime.reload(structure)
        except Refused as error:
            self.files.write(mark.name, structure)
            self._restore()
            log.error("%s What ran before runs on.", error)
            raise
        mark.unlink(missing_ok=True)
        log.info("The gateway has a new configuration")

    def _restore(self) -> None:
        if (proven := self.files.folder / PROVEN).exists():
            self.files.write(CONFIGURATION, proven.read_text())
