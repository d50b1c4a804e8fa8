"""Says in the replica's log what happens to inference records: when it begins and when it ends, once each."""

import logging

log = logging.getLogger(__name__)


class Reporting:
    """For one sink, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spilled = 0
        self._dropped = 0
        self._refused = 0

    def spilled(self, count: int, why: str) -> None:
        if not self._spilled:
            log.warning("Inference records are kept in files until %s takes them again: %s", self._name, why)
        self._spilled += count

    def dropped(self, count: int, why: str, problem: str) -> None:
        if not self._dropped:
            reasons = "; ".join(filter(None, (why, problem)))
            log.error("Inference records cannot be written and are dropped: %s", reasons)
        self._dropped += count

    def refused(self, count: int, why: str) -> None:
        if not self._refused:
            log.error("Inference records are refused and dropped: %s", why)
        self._refused += count

    def recovered(self) -> None:
        """The sink has taken all that was kept."""
        lost = f"; {self._dropped} were dropped meanwhile" if self._dropped else ""
        if self._spilled:
            log.info(
                "%s took the %d inference records that were kept in files%s", self._name, self._spilled, lost
            )
        elif self._dropped:
            log.info("%s takes inference records again%s", self._name, lost)
        self._spilled = self._dropped = 0

    def left(self, count: int, why: str, *, is_kept: bool) -> None:
        """So many are in the spill at the end."""
        if is_kept:
            log.warning("%d inference records are left in files for the platform to send: %s", count, why)
        else:
            log.error("%d inference records could not be sent before the end and are dropped: %s", count, why)
