"""Says why a replica ended, in a code for programs, a sentence and the evidence."""

import signal
from dataclasses import dataclass

from worker.deployers.base import Exit

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


@dataclass(frozen=True)
class Failure:
    """`attempt` is the start that failed, counted from 1."""

    code: str
    reason: str
    evidence: str
    attempt: int
    was_ready: bool = False

    @property
    def is_hopeless(self) -> bool:
        """Whether another attempt with the same files can only fail again."""
        return self.code in HOPELESS

    def as_json(self) -> dict[str, str | int]:
        return {"code": self.code, "reason": self.reason, "evidence": self.evidence, "attempt": self.attempt}


def of_exit(exit_: Exit | None, *, log: list[str], memory_mb: int, was_ready: bool, attempt: int) -> Failure:
    """Classify an exit nobody asked for; what the replica said of itself comes first."""
    evidence = "\n".join(log[-EVIDENCE_LINES:])
    if exit_ is not None and exit_.failure:
        said = exit_.failure
        return Failure(
            said.get("code", "Crashed"),
            said.get("reason", ""),
            said.get("evidence") or evidence,
            attempt,
            was_ready,
        )
    code, reason = _of_process(exit_, memory_mb)
    if was_ready:
        reason = f"After it had been ready: {reason[0].lower()}{reason[1:]}"
    return Failure(code, reason, evidence, attempt, was_ready)


def of_slow_start(*, has_address: bool, seconds: int, log: list[str], attempt: int) -> Failure:
    evidence = "\n".join(log[-EVIDENCE_LINES:])
    if not has_address:
        return Failure(
            "PortNeverOpened",
            f"The replica opened no port within {seconds} seconds; something blocks while the script is imported.",
            evidence,
            attempt,
        )
    return Failure(
        "StartTimeout",
        f"The model was not ready within {seconds} seconds; load less in __init__, or raise "
        "HOPYARD_START_TIMEOUT_SECONDS.",
        evidence,
        attempt,
    )


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
