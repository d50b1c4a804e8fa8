"""What a project's policy says about serving some files; it decides and changes nothing.

Warn: everything may be served. Approve: what scanning warns of, and code nothing is known of, waits for an owner's
approval of those very bytes. Block: what is suspicious or dangerous is not served whoever approves, and unknown
code still needs an approval. Under both, a file that has not been scanned is not served yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import FilePolicy, Project
from models_registry.models import Approval, Blob, FileReport
from models_registry.safety import naming

WARNED = {FileReport.Verdict.SUSPICIOUS, FileReport.Verdict.DANGEROUS}
NAMED = 3


@dataclass(frozen=True)
class Judged:
    """What stands against serving some bytes: nothing, no report yet, no approval yet, or the policy itself."""

    waiting: list[str]
    unapproved: list[FileReport]
    blocked: list[FileReport]


def refusal(project: Project, blobs: Iterable[Blob]) -> str | None:
    """Why the files may not be served, naming them and what was found, or None."""
    if project.file_policy == FilePolicy.WARN:
        return None
    judged = _judge(project, {blob.sha256 for blob in blobs})
    if judged.blocked:
        return (
            f"The project blocks {_listed(project, judged.blocked)}. Serve other files, or ask an owner to change "
            "the policy in the project's settings."
        )
    if judged.unapproved:
        return (
            f"An owner has not approved {_listed(project, judged.unapproved)}. An owner finds the report, and the "
            "approval, on the project's page File safety."
        )
    if judged.waiting:
        names = naming.paths(project, judged.waiting[:NAMED])
        shown = ", ".join(names.get(each, each[:12]) for each in judged.waiting[:NAMED])
        more = f" and {len(judged.waiting) - NAMED} more" if len(judged.waiting) > NAMED else ""
        return f"{shown}{more} is being scanned, and this project serves only what has been; try again in a moment."
    return None


def is_waiting(blobs: Iterable[Blob]) -> bool:
    """Whether one of the files has not been scanned yet, so that a refusal may only be for now."""
    wanted = {blob.sha256 for blob in blobs}
    done = FileReport.objects.filter(blob__in=wanted, state=FileReport.State.DONE)
    return done.count() < len(wanted)


def needs_approval(report: FileReport) -> bool:
    """Whether an owner should look at it: it is warned of, or it holds code nothing is known of."""
    return report.verdict in WARNED or any(each["severity"] == "code" for each in report.findings)


def _judge(project: Project, wanted: set[str]) -> Judged:
    done = FileReport.objects.filter(blob__in=wanted, state=FileReport.State.DONE)
    reports = {report.blob_id: report for report in done}
    warned = [report for report in reports.values() if needs_approval(report)]
    approved = set(Approval.objects.filter(project=project).values_list("blob", flat=True))
    is_blocking = project.file_policy == FilePolicy.BLOCK
    blocked = [each for each in warned if is_blocking and each.verdict in WARNED]
    unapproved = [each for each in warned if each.blob_id not in approved]
    return Judged(sorted(wanted - reports.keys()), unapproved, blocked)


def _listed(project: Project, reports: list[FileReport]) -> str:
    """The first of the files, each with the weightiest thing that was found."""
    names = naming.paths(project, [report.blob_id for report in reports])
    shown = [
        f"{names.get(report.blob_id, report.blob_id[:12])} ({report.get_verdict_display().lower()}: {_first(report)})"
        for report in reports[:NAMED]
    ]
    more = f" and {len(reports) - NAMED} more" if len(reports) > NAMED else ""
    return "; ".join(shown) + more


def _first(report: FileReport) -> str:
    return str(report.findings[0]["sentence"]).rstrip(".") if report.findings else report.kind
