"""What to do where a part that a test needs cannot be had."""

import os

import pytest


def skip_or_fail(absent: str) -> None:
    """Skip, or fail where everything has to be there, as in CI."""
    pytest.fail(absent) if os.environ.get("HOPYARD_REQUIRE_ALL") else pytest.skip(absent)
