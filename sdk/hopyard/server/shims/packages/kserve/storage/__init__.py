"""`kserve.storage`: model files from where they are to where a script wants them."""

from .storage import Storage

__all__ = ["Storage"]
