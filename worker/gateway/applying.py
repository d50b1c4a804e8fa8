"""Brings the files and a running HAProxy to what is wanted. The lock is held by whoever calls."""

import contextlib
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from worker.gateway import maps, ports, render, telling
from worker.gateway.description import Entry, Installation, Key
from worker.gateway.files import Files
from worker.gateway.installation import CONFIGURATION
from worker.gateway.runtime import Away, Refused, Runtime

log = logging.getLogger(__name__)

PROVEN = "haproxy.proven.cfg"
WANTED = "wanted"
WRITTEN_EVERY_SECONDS = 5.0  # at most, while HAProxy follows by commands
TRIED_AGAIN_SECONDS = 60.0  # what was refused


@dataclass(frozen=True)
class Gateway:
    """The files and the program that belong together."""

    installation: Installation
    files: Files
    runtime: Runtime

    def keep(self, entry: Entry) -> str:
        """Write down what is wanted of a serving; returns the digest of the structure that is wanted now.

        Replicas that come and go change one small file; the configuration follows later, since HAProxy is told.
        """
        before = self.files.entry(entry.number)
        if before != entry:
            self.files.keep(entry)
        structure = self._wanted()
        if not structure or before is None or before.frame != entry.frame:
            return self.write()
        if before.percent != entry.percent:
            others = {
                name: part for name, part in self.files.map(maps.CANARIES).items() if name != entry.name
            }
            self.files.write_map(maps.CANARIES, others | maps.canaries([entry]))
        return structure

    def write(self) -> str:
        """Everything but the keys, as HAProxy would read it when started now; returns the digest of its structure.

        Where HAProxy refused just that structure, the file stays one with which it can be started.
        """
        entries, without = ports.split(self.installation.port_host, self.files.entries())
        ports.note(self.files, without)
        structure = render.structure(self.installation, entries)
        self.files.write_map(maps.SERVINGS, maps.servings(entries))
        self.files.write_map(maps.HOSTS, maps.hosts(entries, self.installation.domain))
        self.files.write_map(maps.CANARIES, maps.canaries(entries))
        for name in (maps.KEYS, maps.FREE_KEYS):
            self.files.write_map(name, self.files.map(name))
        self.files.write(WANTED, f"{render.settings_mark(self.installation)}\n{structure}")
        if self._was_refused(structure):
            self._restore()
        elif self.files.behind.exists() or self._in_file() != structure:
            self._keep_what_runs(structure)
            self.files.write(CONFIGURATION, render.configuration(self.installation, entries))
            self.files.behind.unlink(missing_ok=True)
        return structure

    def tell(self, structure: str, entries: Iterable[Entry]) -> None:
        """Have the running HAProxy follow: by a reload, which reads it all, or else by commands for these servings.

        Raises Away; and Refused, but not before the servings that it knows have been told.
        """
        try:
            self._tell(structure, entries)
        except Away:
            self._be_ready_for_a_start()
            raise
        if self.files.behind.exists() and self.files.age(CONFIGURATION) > WRITTEN_EVERY_SECONDS:
            self.write()

    def write_keys(self, known: Collection[Key]) -> None:
        self.files.write_map(maps.KEYS, maps.keys(known))
        self.files.write_map(maps.FREE_KEYS, maps.free_keys(known))

    def tell_keys(self) -> None:
        """What HAProxy could not be told of the keys is told with the next serving. Raises Away, and Refused."""
        self._owed.touch()
        self._tell_map(maps.KEYS)
        self._tell_map(maps.FREE_KEYS)
        for former in self.runtime.formers():
            self._tell_former(former)
        self._owed.unlink(missing_ok=True)

    def _tell_former(self, former: Runtime) -> None:
        """A revoked key is not good on connections from before a reload either."""
        with contextlib.suppress(Away, Refused):  # it may have ended just now
            for name in (maps.KEYS, maps.FREE_KEYS):
                telling.of_map(former, name, self.files.map(name))

    def running(self) -> str:
        """The digest of the structure that HAProxy has; empty if it does not run."""
        try:
            return self.runtime.structure()
        except Away:
            return ""

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

    def _wanted(self) -> str:
        """The digest that was wanted last; empty if all has to be looked at again."""
        path = self.files.folder / WANTED
        mark, _, structure = path.read_text().partition("\n") if path.exists() else ("", "", "")
        if ports.are_due(self.files):
            return ""
        return structure if mark == render.settings_mark(self.installation) else ""

    def _in_file(self) -> str:
        """The digest of the structure that the file has; empty if it was written with other settings, or never."""
        text = self.files.beginning()
        mark = render.settings_mark(self.installation)
        return render.structure_in(text) if mark in text.partition("\n")[0] else ""

    def _tell(self, structure: str, entries: Iterable[Entry]) -> None:
        refused = None
        if self.runtime.structure() != structure:
            try:
                self._reload(structure)
                return
            except Refused as error:
                refused = error
        telling.servings(self.installation, self.runtime, entries, lambda: self._tell_map(maps.CANARIES))
        if self._owed.exists():
            self.tell_keys()
        if refused is not None:
            raise refused

    def _tell_map(self, name: str) -> None:
        telling.of_map(self.runtime, name, self.files.map(name))

    def _be_ready_for_a_start(self) -> None:
        """HAProxy is away, and reads the file when it comes: it should have everything, and be one that it takes."""
        is_old = self.files.age(WANTED) > ports.LOOKED_AGAIN_SECONDS
        if not self.files.behind.exists() and not is_old:
            return
        (self.files.folder / WANTED).unlink(missing_ok=True)  # so that its time is now
        structure = self.write()
        try:
            self.runtime.check()
        except Refused as error:
            self._refuse(structure, error)

    def _keep_what_runs(self, structure: str) -> None:
        """Keep the configuration that HAProxy has taken, for the case that it refuses the next."""
        in_file = render.structure_in(self.files.beginning())
        if in_file and in_file != structure and self.running() == in_file:
            self.files.write(PROVEN, (self.files.folder / CONFIGURATION).read_text())

    def _reload(self, structure: str) -> None:
        """Once a minute for each configuration: one that was refused is not offered again before that, unless something
        else changes, and the file is again one with which HAProxy can be started.
        """
        if self._was_refused(structure):
            self._restore()
            raise Refused("HAProxy keeps to an older configuration, since it refused the newest.")
        if self.files.behind.exists() or self._in_file() != structure:
            structure = self.write()
        try:
            self.runtime.check()
            self.runtime.reload(structure)
        except Refused as error:
            self._refuse(structure, error)
            raise
        self._refused.unlink(missing_ok=True)
        log.info("The gateway has a new configuration")

    def _was_refused(self, structure: str) -> bool:
        mark = self._refused
        is_new = self.files.age(mark.name) < TRIED_AGAIN_SECONDS
        return is_new and mark.read_text() == structure

    def _refuse(self, structure: str, error: Refused) -> None:
        self._refused.unlink(missing_ok=True)  # so that its time is now
        self.files.write(self._refused.name, structure)
        self._restore()
        log.error("%s What ran before runs on.", error)

    def _restore(self) -> None:
        if (proven := self.files.folder / PROVEN).exists():
            self.files.write(CONFIGURATION, proven.read_text())
