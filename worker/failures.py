"""Says why a replica ended, in a code for programs, a sentence and the evidence."""

import re
import signal
from dataclasses import dataclass

from serving.states import Component
from worker.deployers.base import Exit, ReplicaStatus

HOPELESS = {
    "ScriptNotFound",
    "ScriptSyntaxError",
    "ClassMissing",
    "MethodMissing",
    "DependencyMissing",
    "ModelFileMissing",
    "ConfigurationInvalid",
    "ArtifactCorrupt",
    "ArtifactUnreadable",
}
EVIDENCE_LINES = 40
LONGEST_EVIDENCE = 32_000
LONGEST_REASON = 2_000
CODE = re.compile("[A-Z][A-Za-z]{1,60}")


@dataclass(frozen=True)
class Failure:
    """`attempt` is the start that failed, counted from 1 in its slot; `is_final` that none was or will be made."""

    code: str
    reason: str
    evidence: str = ""
    attempt: int = 1
    was_ready: bool = False
    is_final: bool = False
    revision: int = 0
    component: str = Component.PREDICTOR
    slot: int = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether another attempt with the same files can only fail again."""
        return self.is_final or self.code in HOPELESS

    def as_json(self) -> dict[str, str | int]:
        return {"code": self.code, "reason": self.reason, "evidence": self.evidence, "attempt": self.attempt}


def of_exit(exit_: Exit | None, *, log: list[str], memory_mb: int, was_ready: bool) -> Failure:
    """Classify an exit nobody asked for; what the replica said of itself comes first."""
    evidence = "\n".join(log[-EVIDENCE_LINES:])
    if exit_ is not None and exit_.failure:
        said = {name: str(exit_.failure.get(name) or "") for name in ("code", "reason", "evidence")}
        words = said["evidence"][:LONGEST_EVIDENCE] or evidence
        code = said["code"] if CODE.fullmatch(said["code"]) else "Crashed"
        return Failure(code, said["reason"][:LONGEST_REASON], words, was_ready=was_ready)
    code, reason = _of_process(exit_, memory_mb)
    if was_ready:
        reason = f"After it had been ready: {reason[0].lower()}{reason[1:]}"
    return Failure(code, reason, evidence, was_ready=was_ready)


def said(status: ReplicaStatus) -> dict[str, str]:
    """What is said of a replica that has not begun to listen, such as that there is no place for it."""
    words = status.said or {}
    return {name: str(words.get(name) or "") for name in ("code", "reason")}


def of_slow_start(
    *, has_address: bool, seconds: int, log: list[str], code: str = "", reason: str = ""
) -> Failure:
    """`code` and `reason` are what was said of the replica meanwhile, if anything was."""
    evidence = "\n".join(log[-EVIDENCE_LINES:])
    if code and reason and CODE.fullmatch(code):
        return Failure(code, reason[:LONGEST_REASON], evidence)
    if not has_address:
        sentence = f"The replica opened no port within {seconds} seconds; something blocks before it can."
        return Failure("PortNeverOpened", sentence, evidence)
    sentence = (
        f"The model was not ready within {seconds} seconds; load less in __init__, or raise "
        "HOPYARD_START_TIMEOUT_SECONDS."
    )
    return Failure("StartTimeout", sentence, evidence)


def of_silence(*, seconds: int, said: str, log: list[str]) -> Failure:
    evidence = "\n".join(log[-EVIDENCE_LINES:])
    sentence = f"A replica that had been ready did not answer for {seconds} seconds ({said}) and is replaced."
    return Failure("Unresponsive", sentence, evidence, was_ready=True)


def _of_process(exit_: Exit | None, memory_mb: int) -> tuple[str, str]:
    if exit_ is None or (exit_.code is None and exit_.signal is None):
        return "Lost", "The replica's process vanished without a trace, as after a restart of the machine."
    if exit_.out_of_memory:
        return (
            "OutOfMemory",
            f"The replica needed more than its {memory_mb} MB and was killed; give it more memory.",
        )
    if exit_.signal is not None:
        name = signal.Signals(exit_.signal).name
        return "Killed", f"The replica was ended by {name}, which the platform did not send."
    return "Crashed", f"The replica ended by itself with exit code {exit_.code}."
