"""Celery's tasks of scanning: take bytes that wait, have them looked at, keep the report."""

import logging
import time
from importlib.metadata import version

from celery import shared_task

from models_registry import storage
from models_registry.safety import services as reports
from worker.scanning import process

log = logging.getLogger(__name__)

SECONDS_AT_A_TIME = 20.0


@shared_task(name="worker.scan")
def scan() -> None:
    """Scan what waits, for a while; what is left then gets its turn behind other work."""
    until = time.monotonic() + SECONDS_AT_A_TIME
    while (claimed := reports.claim()) is not None:
        scan_one(*claimed)
        if time.monotonic() > until:
            scan.delay()
            return


@shared_task(name="worker.scan_missing")
def scan_missing() -> None:
    """Find what nobody asked a report of, or what a dead worker left behind."""
    if reports.want_missing():
        scan.delay()


def scan_one(sha256: str, token: str) -> None:
    try:
        with storage.open(sha256) as file:
            document = process.report_on(file)
    except (OSError, storage.StorageError) as error:
        log.warning("The bytes %s could not be read for scanning: %s", sha256[:12], error)
        reports.put_back(sha256=sha256, token=token)
        return
    reports.store(sha256=sha256, token=token, document=document, scanner=versions())


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("fickling", "picklescan", "hopyard-platform")}
