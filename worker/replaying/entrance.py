"""Lets nobody but the platform ask the replica of a replay."""

import json
from pathlib import Path

from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts import keys
from serving.models import Replay


def token(replay: Replay) -> str:
    """The same for every step, and known to nobody who lacks the platform's secret."""
    return salted_hmac("hopyard.replay", replay.key, algorithm="sha256").hexdigest()


def open_replays() -> list[int]:
    """The numbers of the replays that may have a replica still: each has its file before, and until it is gone."""
    found = settings.KEYS_DIR.glob("replay-*.json")
    return sorted(int(number) for path in found if (number := path.stem.removeprefix("replay-")).isdecimal())


def keys_file(replay: Replay) -> Path:
    """The file of the keys that a replica on this machine lets in: none."""
    folder: Path = settings.KEYS_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{replay.key}.json"
    if not path.exists():
        draft = path.with_name(f".{path.name}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"pepper": keys.pepper().hex(), "internal": token(replay), "keys": []}))
        draft.replace(path)
    return path


def close(replay: Replay) -> None:
    folder: Path = settings.KEYS_DIR
    (folder / f"{replay.key}.json").unlink(missing_ok=True)
