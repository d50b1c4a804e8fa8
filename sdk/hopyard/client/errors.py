"""Everything the client raises, as one small tree.

HopyardError
  + ConfigurationError     no address, key or project to work with; nothing was sent
  + InvalidArgument        (also a ValueError) refused here, before any request
  + ConnectFailed          the platform could not be reached, or the connection broke
  + TimedOut               no answer, or no running serving, in the time given
  + ApiError               the platform answered, and the answer is an error
    + BadRequest           400, 422: `fields` says which setting is wrong
    + NotAuthenticated     401
    + Forbidden            403
    + NotFound             404
    + Conflict             409
      + PreflightFailed    the pre-flight is red, `checks` says why; an owner may start with override=True
      + FilesRefused       the project's policy keeps a file from being served
    + TooLarge             413
    + ServerError          5xx, or an answer that is not the platform's
  + ServingFailed          the serving's status became Failed: code, reason, evidence
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hopyard.client.serving_records import Check


class HopyardError(Exception):
    """Anything this package raises on purpose; its text is one sentence for a person."""


class ConfigurationError(HopyardError):
    """The client does not know where to go or who it is."""


class InvalidArgument(HopyardError, ValueError):
    """An argument that cannot be right; no request was made."""


class ConnectFailed(HopyardError):
    """The platform could not be reached, or the connection broke halfway."""


class TimedOut(HopyardError):
    """Something did not happen in the time given."""


class ApiError(HopyardError):
    """The platform refused: HTTP status, its code and sentence, the fields at fault, and the request's id."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, Sequence[str]] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, message, fields, request_id)
        self.status = status
        self.code = code
        self.message = message
        self.fields = {name: list(sentences) for name, sentences in (fields or {}).items()}
        self.request_id = request_id

    def __str__(self) -> str:
        faults = {name: [_without(name, each) for each in said] for name, said in self.fields.items()}
        is_of_a_field = any(_without(name, self.message) in said for name, said in faults.items())
        listed = [f"{name}: {' '.join(said)}" for name, said in faults.items()]
        request = f", request {self.request_id}" if self.request_id else ""
        parts = listed if is_of_a_field else [self.message, *listed]
        return f"{' '.join(parts)} [{self.status} {self.code}{request}]"


def _without(field: str, sentence: str) -> str:
    """The sentence without the name of its field, which some begin with."""
    return sentence.removeprefix(f"{field}: ")


class BadRequest(ApiError):
    """A setting is missing or wrong (400, 422)."""


class NotAuthenticated(ApiError):
    """No key, or one that is unknown, revoked or expired (401)."""


class Forbidden(ApiError):
    """The key is good but does not allow this (403)."""


class NotFound(ApiError):
    """There is no such thing, or this key may not know of it (404)."""


class Conflict(ApiError):
    """The present state is against it: a name is taken, a version is served, somebody edited (409)."""


class PreflightFailed(Conflict):
    """A serving does not start because its pre-flight is red; `checks` are those that failed."""

    checks: Sequence[Check] = ()


class FilesRefused(Conflict):
    """The project's policy keeps one of the files from being served; an owner can approve it."""


class TooLarge(ApiError):
    """The file or the request is larger than the platform accepts (413)."""


class ServerError(ApiError):
    """The platform failed (5xx), or what answered is not a Hopyard platform this client understands."""


class ServingFailed(HopyardError):
    """A serving came to Failed instead of Running.

    `code` is stable and meant for programs, `reason` is a sentence, `evidence` is what was seen: usually
    the end of the replica's log with the user's own traceback, or the resolver's words.
    """

    def __init__(self, serving: str, code: str, reason: str, evidence: str = "") -> None:
        super().__init__(serving, code, reason, evidence)
        self.serving = serving
        self.code = code
        self.reason = reason
        self.evidence = evidence

    @property
    def headline(self) -> str:
        return f"Serving {self.serving} failed ({self.code}): {self.reason}"

    def __str__(self) -> str:
        return f"{self.headline}\n{self.evidence}".rstrip()
