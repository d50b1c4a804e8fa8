"""Keeps, for every serving, the file of hashed keys with which its replicas let callers in."""

import fcntl
import json
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts import keys
from accounts import queries as accounts
from serving.models import Serving


def path_for(serving: Serving) -> Path:
    folder: Path = settings.KEYS_DIR
    return folder / f"{serving.key}.json"


def publish(serving: Serving) -> None:
    """Write the serving's file if it would say something new; replicas look at it every second.

    One at a time, so that what was read first is never written last.
    """
    path = path_for(serving)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = json.dumps(content(serving), indent=1)
        if path.exists() and path.read_text() == text:
            return
        draft = path.with_name(f".{path.name}")
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(path)


def withdraw(serving: Serving) -> None:
    path_for(serving).unlink(missing_ok=True)


def content(serving: Serving) -> dict[str, Any]:
    return {
        "pepper": keys.pepper().hex(),
        "internal": serving.gateway_token,
        "keys": [
            {
                "id": key.id,
                "digest": key.digest,
                "expires_at": key.expires_at.timestamp() if key.expires_at else None,
            }
            for key in accounts.predicting_keys(serving.project_id)
        ],
    }
