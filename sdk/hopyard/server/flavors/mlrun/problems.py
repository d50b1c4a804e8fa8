"""Errors as MLRun's callers know them: 400 and `Class: message` in plain text, 408 while a model loads."""

from collections.abc import Sequence

from hopyard.server.replies import Problem, Reply

TEXT = b"text/plain"


class NotReady(RuntimeError):
    """The model is still loading, or failed to; its own class for the log, RuntimeError to the caller."""


def plain(text: str, status: int = 400, code: str = "PredictFailed") -> Problem:
    """A problem whose whole answer is this text."""
    body = text.encode(errors="replace")
    return Problem(status, text, code, reply=Reply(body, status, TEXT))


def problem(error: BaseException) -> Problem | None:
    """What an exception of a model means: 400, or the status that MLRun's own errors carry."""
    if isinstance(error, MemoryError):
        return None
    status = getattr(error, "error_status_code", None)
    known = isinstance(status, int) and 400 <= status < 600
    name = "RuntimeError" if isinstance(error, NotReady) else type(error).__name__
    return plain(f"{name}: {text_of(error)}", status if known and status else 400)


def text_of(error: BaseException) -> str:
    """The message of an error, and of those that caused it."""
    said, seen = [], set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        try:
            said.append(str(each) or repr(each))
        except Exception:  # the error's own __str__
            said.append(type(each).__name__)
        each = each.__cause__
    return ", caused by: ".join(said)


def absent(name: str, names: Sequence[str]) -> Problem:
    """There is no such model."""
    sentence = f"ValueError: model {name[:200]} doesnt exist, available models: {' | '.join(names)}"
    return plain(sentence, code="ModelNotFound")
