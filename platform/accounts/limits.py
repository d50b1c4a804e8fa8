"""How many predictions per second a key may ask for, counted where no gateway does."""

import time

from django.conf import settings
from django.core.cache import cache

from accounts.models import ApiKey

COUNTED_SECONDS = 5
MOST_PER_SECOND = 1_000_000


def of(key: ApiKey) -> int:
    """The key's own limit, or else the installation's; 0: none."""
    own = key.requests_per_second
    installed: int = settings.KEY_RATE_LIMIT
    return installed if own is None else own


def exceeds(key: ApiKey) -> bool:
    """Count a request of now, and say whether it is one too many in this second. Keys without a limit cost nothing."""
    limit = of(key)
    if not limit:
        return False
    name = f"predictions-{key.pk}-{int(time.time())}"
    cache.add(name, 0, COUNTED_SECONDS)
    try:
        return cache.incr(name) > limit
    except ValueError:  # another process has emptied the cache meanwhile
        return False
