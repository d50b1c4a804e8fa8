"""Celery's filesystem transport, with messages that appear whole.

Kombu's own creates a message's file and then writes it; a worker that looks in between reads an empty message and
ends. Here the file is written under another name first.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        draft = folder / f".{name}"
        draft.write_text(dumps(payload))
        draft.replace(folder / name)


class Transport(filesystem.Transport):
    Channel = Channel
