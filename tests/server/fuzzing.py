"""How hard properties are tried: the same few examples every time, or as many new ones as
HOPYARD_FUZZ_EXAMPLES says.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("HOPYARD_FUZZ_EXAMPLES", "0"))

thorough = settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
