"""The JSON forms of reports and approvals."""

from rest_framework import serializers

from models_registry.models import FileReport
from models_registry.safety.queries import Shown


class FindingSerializer(serializers.Serializer[dict[str, str]]):
    severity = serializers.ChoiceField(choices=["note", "code", "suspicious", "dangerous"])
    sentence = serializers.CharField()
    evidence = serializers.CharField()


class ApprovalSerializer(serializers.Serializer[object]):
    approved_by = serializers.CharField(source="approved_by.username", allow_null=True, default=None)
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class ReportSerializer(serializers.Serializer[Shown]):
    """`verdict` and all that follows from it are empty until `state` is done."""

    sha256 = serializers.CharField(source="report.blob_id")
    path = serializers.CharField()
    size = serializers.IntegerField(source="report.blob.size")
    state = serializers.ChoiceField(source="report.state", choices=FileReport.State.choices)
    verdict = serializers.CharField(source="report.verdict")
    kind = serializers.CharField(source="report.kind")
    findings = FindingSerializer(source="report.findings", many=True)
    imports = serializers.ListField(source="report.imports", child=serializers.CharField())
    scanner = serializers.DictField(source="report.scanner")
    scanned_at = serializers.DateTimeField(source="report.scanned_at", allow_null=True)
    needs_approval = serializers.BooleanField()
    approval = ApprovalSerializer(allow_null=True)


class ReasonSerializer(serializers.Serializer[object]):
    reason = serializers.CharField(max_length=500)


def brief(report: FileReport | None) -> dict[str, str]:
    """What a list of files says of one of them."""
    if report is None or report.state != FileReport.State.DONE:
        return {"state": report.state if report else FileReport.State.WAITING, "verdict": "", "kind": ""}
    return {"state": report.state, "verdict": report.verdict, "kind": report.kind}
