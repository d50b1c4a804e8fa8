"""`MLClientCtx`, which model classes name in their type hints."""

from typing import Any

from .unsupported import refused

ADVICE = "a served model gets its context as self.context"


class MLClientCtx:
    """The context of an MLRun job; jobs do not run here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise refused("MLClientCtx()", ADVICE)
