"""When the port shared with other replicas may be joined: at once, or as soon as a file is there that says so."""

import asyncio
import contextlib

from hopyard.server.config import Config

LOOK_SECONDS = 0.1
JOINED = "joined"


def is_allowed(settings: Config) -> bool:
    return settings.shared_file is None or settings.shared_file.exists()


async def allowed(settings: Config) -> None:
    """Return when it is."""
    while not is_allowed(settings):
        await asyncio.sleep(LOOK_SECONDS)


def tell(settings: Config) -> None:
    """Write into the file that the port was joined, for whoever waits for it."""
    if settings.shared_file is not None:
        with contextlib.suppress(OSError):
            settings.shared_file.write_text(JOINED)
