"""Puts a report into words: what its verdict means and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import FilePolicy, Project
from models_registry.models import FileReport
from models_registry.safety.policy import needs_approval

Verdict = FileReport.Verdict

MEANINGS = {
    Verdict.SAFE: "A file of this kind holds data only; loading it runs nothing.",
    Verdict.UNKNOWN: "The kind of file is not known here. No code was found in it, which does not prove there is none.",
    Verdict.CODE: "Loading a file of this kind runs code, as every pickle and every script does.",
    Verdict.SUSPICIOUS: "It cannot be read in full, or does what files of its kind do not do.",
    Verdict.DANGEROUS: "Loading it would reach out of the model: run programs, read files, or load other code.",
}
ADVICE = {
    Verdict.SAFE: "Nothing needs to be done.",
    Verdict.UNKNOWN: "Serve it only if you know where it comes from.",
    Verdict.CODE: (
        "Serve it only if you know where it comes from. Formats without code, such as safetensors, ONNX or skops, "
        "need no such trust."
    ),
    Verdict.SUSPICIOUS: "Find out how the file was made, export it anew from its source, and serve that instead.",
    Verdict.DANGEROUS: "Do not load it anywhere. Ask whoever made it, and delete it unless they can explain it.",
}
UNKNOWN_CODE = (
    "It also imports code of which nothing is known here, listed below; read that code before you serve it."
)


@dataclass(frozen=True)
class Explained:
    meaning: str
    advice: str
    consequence: str


@dataclass(frozen=True)
class Group:
    """The imports of one package."""

    package: str
    names: list[str]


def explain(report: FileReport, project: Project) -> Explained | None:
    """The words for a finished report, or None."""
    if report.state != FileReport.State.DONE:
        return None
    verdict = Verdict(report.verdict)
    is_unknown_code = verdict is Verdict.CODE and needs_approval(report)
    meaning = f"{MEANINGS[verdict]} {UNKNOWN_CODE}" if is_unknown_code else MEANINGS[verdict]
    return Explained(meaning, ADVICE[verdict], _consequence(report, project))


def grouped(imports: Iterable[str]) -> list[Group]:
    groups: dict[str, list[str]] = {}
    for each in sorted(imports):
        groups.setdefault(each.split(".")[0], []).append(each)
    return [Group(package, names) for package, names in groups.items()]


def _consequence(report: FileReport, project: Project) -> str:
    """What the project's policy makes of it."""
    if not needs_approval(report):
        return "It may be served."
    is_warned = report.verdict in {Verdict.SUSPICIOUS, Verdict.DANGEROUS}
    match project.file_policy:
        case FilePolicy.BLOCK if is_warned:
            return "This project blocks such files: no serving starts with it, whoever approves."
        case FilePolicy.WARN:
            return "This project only warns: servings start with it."
    return "In this project no serving starts with it until an owner has approved it."
