"""What the serving app refuses, each with a code for programs and a sentence for people."""


class ServingError(Exception):
    code = "refused"
    status = 400

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NoSuchServing(ServingError):
    code = "not_found"
    status = 404


class NameTaken(ServingError):
    code = "name_taken"
    status = 409


class EditedMeanwhile(ServingError):
    code = "edited_meanwhile"
    status = 409


class PreflightFailed(ServingError):
    code = "preflight_failed"
    status = 409


class FilesRefused(ServingError):
    code = "files_refused"
    status = 409


class CanaryRunning(ServingError):
    code = "canary_running"
    status = 409


class NoCanary(ServingError):
    code = "no_canary"
    status = 404
