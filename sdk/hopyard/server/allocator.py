"""The C library's allocator, told once that this server takes large bodies."""

import ctypes
from functools import cache

LARGE_BODY = 1024 * 1024
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MIB = 1024 * 1024


@cache
def keep_freed_memory() -> None:
    """Keep what one large body used for the next, instead of asking the kernel for fresh pages each time.

    Faulting them in was a third of the cost of a body of 3 MB. A process that never gets one is left alone, and
    where the C library has no such call nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, size in ((_MMAP_THRESHOLD, 64 * _MIB), (_TRIM_THRESHOLD, 128 * _MIB), (_TOP_PAD, 16 * _MIB)):
        mallopt(option, size)
