"""Keeps, for every serving, the file of hashed keys with which its replicas let callers in."""

import json
import os
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
    """Write the serving's file if it would say something new; replicas look at it every second."""
    text = json.dumps(content(serving), indent=1)
    path = path_for(serving)
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
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
