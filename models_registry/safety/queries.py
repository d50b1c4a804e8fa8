"""Reads over reports and approvals."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Project
from models_registry.errors import NoSuchThing
from models_registry.models import Approval, ArtifactFile, Blob, FileReport, ModelVersion, ProjectFile
from models_registry.safety import naming, policy

MOST_MISSING = 1000
COUNTED = {
    FileReport.Verdict.DANGEROUS: "dangerous",
    FileReport.Verdict.SUSPICIOUS: "suspicious",
    FileReport.Verdict.CODE: "with code",
    FileReport.Verdict.UNKNOWN: "of a kind not known",
    FileReport.Verdict.SAFE: "in a safe format",
    "": "being scanned",
}


@dataclass(frozen=True)
class Shown:
    """A report as a project sees it."""

    report: FileReport
    path: str
    approval: Approval | None
    needs_approval: bool


@dataclass(frozen=True)
class Count:
    """How many files of a version have a verdict."""

    verdict: str
    label: str
    number: int


def report(project: Project, sha256: str) -> Shown:
    """The report of a project's bytes; one that is not there yet is waiting."""
    if not naming.knows(project, sha256):
        raise NoSuchThing(f"No file of {project} has the sha256 {sha256[:64]}.")
    found = FileReport.objects.select_related("blob").filter(blob=sha256).first()
    found = found or FileReport(blob=Blob.objects.get(pk=sha256))
    return _shown(project, [found])[0]


def attention(project: Project) -> list[Shown]:
    """What an owner should look at: warned of or unknown code, and not approved; the worst first."""
    done = _reports(project).filter(state=FileReport.State.DONE).exclude(verdict=FileReport.Verdict.SAFE)
    approved = Approval.objects.filter(project=project, blob=OuterRef("blob"))
    wanted = [each for each in done.filter(~Exists(approved)) if policy.needs_approval(each)]
    order = list(FileReport.Verdict)
    return _shown(project, sorted(wanted, key=lambda each: -order.index(FileReport.Verdict(each.verdict))))


def approved(project: Project) -> list[Shown]:
    """What was approved, the newest first."""
    given = Approval.objects.filter(project=project).values_list("blob", flat=True)
    found = {each.blob_id: each for each in FileReport.objects.filter(blob__in=given).select_related("blob")}
    return _shown(project, [found[each] for each in given if each in found])


def waiting_count(project: Project) -> int:
    named = ProjectFile.objects.filter(project=project)
    done = named.filter(blob__report__state=FileReport.State.DONE)
    return named.values("blob").distinct().count() - done.values("blob").distinct().count()


def summary(version: ModelVersion) -> list[Count]:
    """How many files of a version have which verdict, the worst first; "" are those not scanned yet."""
    verdicts = version.files.values_list("blob__report__state", "blob__report__verdict")
    counts = Counter(verdict if state == FileReport.State.DONE else "" for state, verdict in verdicts)
    order = [*reversed(FileReport.Verdict.values), ""]
    return [Count(each, COUNTED[each], counts[each]) for each in order if counts[each]]


def missing() -> Iterable[str]:
    """Bytes that some file, artifact or revision names and that have no report."""
    named = (
        Q(Exists(ProjectFile.objects.filter(blob=OuterRef("pk"))))
        | Q(Exists(ArtifactFile.objects.filter(blob=OuterRef("pk"))))
        | Q(revision__isnull=False)
    )
    found = Blob.objects.filter(named, report=None).values_list("pk", flat=True).distinct()
    return list(found[:MOST_MISSING])


def _reports(project: Project) -> QuerySet[FileReport]:
    files = ProjectFile.objects.filter(project=project, blob=OuterRef("blob"))
    lines = ArtifactFile.objects.filter(artifact__version__model__project=project, blob=OuterRef("blob"))
    return FileReport.objects.filter(Q(Exists(files)) | Q(Exists(lines))).select_related("blob")


def _shown(project: Project, reports: list[FileReport]) -> list[Shown]:
    names = naming.paths(project, [each.blob_id for each in reports])
    given = Approval.objects.filter(
        project=project, blob__in=names.keys() | {each.blob_id for each in reports}
    )
    approvals = {each.blob_id: each for each in given.select_related("approved_by")}
    return [
        Shown(
            report=each,
            path=names.get(each.blob_id, f"a serving's script ({each.blob_id[:12]})"),
            approval=approvals.get(each.blob_id),
            needs_approval=each.state == FileReport.State.DONE and policy.needs_approval(each),
        )
        for each in reports
    ]
