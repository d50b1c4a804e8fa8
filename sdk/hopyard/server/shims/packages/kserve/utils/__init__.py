"""`kserve.utils`."""

from . import utils

__all__ = ["utils"]
