"""`kserve.constants`."""

from .constants import *  # noqa: F403
