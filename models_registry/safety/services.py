"""Changes to reports and approvals: bytes are to be scanned, are being scanned, have been; an owner approves."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.access import Access
from accounts.services import record
from accounts.work import ask_on_commit
from models_registry.errors import RegistryError
from models_registry.models import Approval, FileReport
from models_registry.safety import queries

LEASE = timedelta(minutes=10)
AGAIN_AFTER = timedelta(minutes=1)
MOST_AT_ONCE = 2
LONGEST_TARGET = 300
DONE = FileReport.State.DONE


class NotScanned(RegistryError):
    """Nobody can approve of what has not been looked at."""

    code = "not_scanned"
    status = 409


def want_reports(blobs: Iterable[str]) -> None:
    """Have bytes scanned that have not been; call it in the transaction that names them."""
    wanted = set(blobs)
    known = set(FileReport.objects.filter(blob__in=wanted).values_list("blob", flat=True))
    if wanted - known:
        FileReport.objects.bulk_create(
            (FileReport(blob_id=each) for each in sorted(wanted - known)), ignore_conflicts=True
        )
        ask_on_commit("worker.scan")


def want_missing() -> bool:
    """Find bytes that nobody asked a report of; return whether any wait at all."""
    want_reports(queries.missing())
    return FileReport.objects.exclude(state=DONE).exists()


def claim() -> tuple[str, str] | None:
    """Take the next bytes to scan, as (sha256, token); None if none wait or enough are being scanned.

    A lease that ran out is free again, so a worker that died keeps nothing waiting for ever.
    """
    now = timezone.now()
    busy = FileReport.objects.filter(state=FileReport.State.SCANNING, lease_until__gt=now)
    if busy.count() >= MOST_AT_ONCE:
        return None
    free = FileReport.objects.exclude(state=DONE).filter(lease_until__lte=now)
    for sha256 in list(free.order_by("blob__touched_at").values_list("pk", flat=True)[: MOST_AT_ONCE * 2]):
        token = secrets.token_hex(16)
        changes = {"state": FileReport.State.SCANNING, "lease": token, "lease_until": now + LEASE}
        if free.filter(pk=sha256).update(**changes):
            return sha256, token
    return None


def store(*, sha256: str, token: str, document: dict[str, Any], scanner: dict[str, str]) -> bool:
    """Keep a report unless somebody else has taken the bytes over; return whether it was kept."""
    mine = FileReport.objects.filter(pk=sha256, lease=token).exclude(state=DONE)
    return bool(
        mine.update(
            state=DONE,
            verdict=document["verdict"],
            kind=document["kind"],
            findings=document["findings"],
            imports=document["imports"],
            scanner=scanner,
            lease="",
            scanned_at=timezone.now(),
        )
    )


def put_back(*, sha256: str, token: str) -> None:
    """The bytes could not be had just now; they wait a little."""
    FileReport.objects.filter(pk=sha256, lease=token).update(
        state=FileReport.State.WAITING, lease="", lease_until=timezone.now() + AGAIN_AFTER
    )


@transaction.atomic
def scan_again(*, access: Access, sha256: str) -> None:
    """Forget a report and have the bytes looked at anew, by the scanners of today."""
    shown = queries.report(access.project, sha256)
    FileReport.objects.filter(pk=sha256, state=DONE).update(
        state=FileReport.State.WAITING, lease="", lease_until=timezone.now()
    )
    want_reports([sha256])
    ask_on_commit("worker.scan")
    _record(access, "scan_file_again", shown)


@transaction.atomic
def approve(*, access: Access, sha256: str, reason: str) -> queries.Shown:
    """An owner's word that these bytes may be served in the project."""
    shown = queries.report(access.project, sha256)
    if shown.report.state != DONE:
        raise NotScanned(f"{shown.path} is being scanned; approve it once its report is there.")
    given = {"approved_by": access.user, "reason": reason, "created_at": timezone.now()}
    Approval.objects.update_or_create(project=access.project, blob_id=sha256, defaults=given)
    _record(access, "approve_file", shown, reason=reason, verdict=shown.report.verdict)
    return queries.report(access.project, sha256)


@transaction.atomic
def withdraw(*, access: Access, sha256: str) -> queries.Shown:
    """Take an approval back; what runs goes on, and does not start again."""
    shown = queries.report(access.project, sha256)
    if Approval.objects.filter(project=access.project, blob=sha256).delete()[0]:
        _record(access, "withdraw_approval", shown)
    return queries.report(access.project, sha256)


def _record(access: Access, action: str, shown: queries.Shown, **detail: str) -> None:
    record(
        project=access.project,
        actor=access.user.username,
        action=action,
        target=shown.path[:LONGEST_TARGET],
        sha256=shown.report.blob_id,
        **detail,
    )
