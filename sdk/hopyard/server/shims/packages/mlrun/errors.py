"""MLRun's exceptions; those with a status keep it in the answer of a served model."""

from typing import Any


class MLRunBaseError(Exception):
    """Any error of MLRun."""


class MLRunHTTPError(MLRunBaseError):
    """An error of a call over HTTP."""

    def __init__(
        self, *args: Any, response: Any = None, status_code: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args)
        self.response = response
        if status_code:
            self.error_status_code = status_code


class MLRunHTTPStatusError(MLRunHTTPError):
    """An error that stands for an HTTP status."""

    error_status_code: int = 500


class MLRunBadRequestError(MLRunHTTPStatusError):
    error_status_code = 400


class MLRunInvalidArgumentError(MLRunHTTPStatusError, ValueError):
    error_status_code = 400


class MLRunModelLimitExceededError(MLRunHTTPStatusError):
    error_status_code = 400


class MLRunUnauthorizedError(MLRunHTTPStatusError):
    error_status_code = 401


class MLRunAccessDeniedError(MLRunHTTPStatusError):
    error_status_code = 403


class MLRunNotFoundError(MLRunHTTPStatusError):
    error_status_code = 404


class MLRunConflictError(MLRunHTTPStatusError):
    error_status_code = 409


class MLRunPreconditionFailedError(MLRunHTTPStatusError):
    error_status_code = 412


class MLRunUnprocessableEntityError(MLRunHTTPStatusError):
    error_status_code = 422


class MLRunTooManyRequestsError(MLRunHTTPStatusError):
    error_status_code = 429


class MLRunInternalServerError(MLRunHTTPStatusError):
    error_status_code = 500


class MLRunNotImplementedServerError(MLRunHTTPStatusError):
    error_status_code = 501


class MLRunServiceUnavailableError(MLRunHTTPStatusError):
    error_status_code = 503


class MLRunTimeoutError(MLRunHTTPStatusError, TimeoutError):
    error_status_code = 504


class MLRunRuntimeError(MLRunBaseError, RuntimeError):
    """Something went wrong while running."""


class MLRunMissingDependencyError(MLRunInvalidArgumentError):
    """A package is not installed."""


class MLRunTaskNotReadyError(MLRunBaseError):
    """Something has not been made yet."""


def err_to_str(error: BaseException) -> str:
    """The message of an error and of what caused it."""
    from hopyard.server.flavors.mlrun.problems import text_of

    return text_of(error)
