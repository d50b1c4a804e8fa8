"""Names that scripts may import and not use: using one says what to do instead."""

from typing import Any


def refused(name: str, advice: str) -> NotImplementedError:
    """The error for something MLRun has and this server does not."""
    return NotImplementedError(f"mlrun's {name} is not supported by this server; {advice}.")


def unsupported(name: str, advice: str) -> type[Any]:
    """Return a class that cannot be constructed or derived from."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise refused(name, advice)

    return type(name, (), {"__init__": refuse, "__init_subclass__": classmethod(refuse)})
