"""`kserve.errors`: what handlers raise, and what the server makes of it is in its table of statuses."""

from typing import Any


class _Worded(Exception):
    """An error whose text is `reason`, for old scripts that read the attribute."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error_msg = reason

    def __str__(self) -> str:
        return self.reason


class ModelMissingError(Exception):
    """There is no model at `path`."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return str(self.path)


class InferenceError(RuntimeError):
    """The model failed; `status` is put before the reason in brackets. 500."""

    def __init__(self, reason: Any, status: str | None = None, debug_details: Any = None) -> None:
        super().__init__(reason, status, debug_details)
        self.reason = reason
        self.status = status
        self.debug_details = debug_details

    def __str__(self) -> str:
        reason = "" if self.reason is None else str(self.reason)
        return reason if self.status is None else f"[{self.status}] {reason}"


class InvalidInput(_Worded, ValueError):
    """The caller's input is wrong. 400."""


class ModelNotFound(_Worded):
    """No model of that name. 404."""

    def __init__(self, model_name: str | None = None) -> None:
        super().__init__(f"Model with name {model_name} does not exist.")
        self.args = (model_name,)


class ModelNotReady(_Worded, RuntimeError):
    """The model is there and cannot answer yet. 503."""

    def __init__(self, model_name: str, detail: str | None = None) -> None:
        super().__init__(_with_detail(f"Model with name {model_name} is not ready.", detail))
        self.model_name = model_name
        self.args = (model_name, detail)


class ServerNotReady(_Worded, RuntimeError):
    """503."""

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(_with_detail("Server is not ready.", detail))
        self.args = (detail,)


class ServerNotLive(_Worded, RuntimeError):
    """503."""

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(_with_detail("Server is not live.", detail))
        self.args = (detail,)


class UnsupportedProtocol(_Worded):
    """501."""

    def __init__(self, protocol_version: str | None = None) -> None:
        super().__init__(f"Unsupported protocol {protocol_version}.")
        self.args = (protocol_version,)


class WorkersShouldBeLessThanMaxWorkersError(_Worded):
    """More workers were asked for than there may be."""

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__(f"Workers cannot be greater than {max_workers}")
        self.args = (max_workers,)


class NoModelReady(_Worded, RuntimeError):
    """Models were handed to the server and none of them is ready."""

    def __init__(self, models: list[Any], detail: str | None = None) -> None:
        names = ",".join(str(getattr(model, "name", model)) for model in models)
        subject = f"Model with name {names} is" if len(models) == 1 else f"Models with names {names} are"
        super().__init__(_with_detail(f"{subject} not ready.", detail))
        self.models = models


def _with_detail(sentence: str, detail: str | None) -> str:
    return f"{sentence} {detail}" if detail else sentence
