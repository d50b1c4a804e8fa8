"""What scanning a file comes to: its kind, its findings, its imports and the verdict of them all."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MOST_FINDINGS = 100
MOST_IMPORTS = 2_000
LONGEST_TEXT = 500


class Severity(StrEnum):
    """How much a finding weighs; a note weighs nothing, `code` is code that nothing is known of."""

    NOTE = "note"
    CODE = "code"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


class Nature(StrEnum):
    """What files of a kind are, whatever is in this one; the later one wins."""

    SAFE = "safe"
    UNKNOWN = "unknown"
    CODE = "code"


@dataclass(frozen=True)
class Finding:
    severity: Severity
    sentence: str
    evidence: str = ""


@dataclass
class Report:
    """A file's report, or that of a part of it."""

    kind: str
    nature: Nature
    findings: list[Finding] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)

    def add(self, severity: Severity, sentence: str, evidence: str = "") -> None:
        finding = Finding(severity, _short(sentence), _short(evidence))
        if finding not in self.findings:
            self.findings.append(finding)

    def note(self, sentence: str, evidence: str = "") -> None:
        self.add(Severity.NOTE, sentence, evidence)

    def suspect(self, sentence: str, evidence: str = "") -> None:
        self.add(Severity.SUSPICIOUS, sentence, evidence)

    def include(self, part: "Report", where: str = "") -> None:
        """Take over what was found in a part; `where` says which part it was."""
        for each in part.findings:
            place = f"In {where}: " if where else ""
            self.add(each.severity, f"{place}{each.sentence}", each.evidence)
        self.imports |= part.imports
        self.nature = max(self.nature, part.nature, key=list(Nature).index)

    @property
    def verdict(self) -> str:
        worst = max(
            (each.severity for each in self.findings), key=list(Severity).index, default=Severity.NOTE
        )
        if worst in {Severity.DANGEROUS, Severity.SUSPICIOUS}:
            return worst.value
        return Nature.CODE.value if worst is Severity.CODE else self.nature.value

    def document(self) -> dict[str, Any]:
        """The report as JSON, its weightiest findings first, bounded."""
        ordered = sorted(self.findings, key=lambda each: -list(Severity).index(each.severity))
        return {
            "verdict": self.verdict,
            "kind": self.kind,
            "findings": [_plain(each) for each in ordered[:MOST_FINDINGS]],
            "imports": sorted(self.imports)[:MOST_IMPORTS],
        }


def suspicious(kind: str, sentences: Iterable[str]) -> Report:
    """A report of what could not be looked at."""
    report = Report(kind, Nature.UNKNOWN)
    for sentence in sentences:
        report.suspect(sentence)
    return report


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity.value,
        "sentence": finding.sentence,
        "evidence": finding.evidence,
    }


def _short(text: str) -> str:
    """Whatever a file says, printable and bounded."""
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
