"""`kserve_storage`, where newer scripts find `Storage`."""

from kserve.storage import Storage  # type: ignore[import-not-found]

__all__ = ["Storage"]
