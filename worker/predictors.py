"""Tells a serving's transformers, by a file for each revision, where its ready predictors answer."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from serving.models import Replica, Serving
from serving.states import Component, ReplicaState


def path_for(serving: Serving, revision: int) -> Path:
    return _folder(serving) / f"{revision}.json"


def publish(serving: Serving, living: Iterable[Replica], revisions: Iterable[int]) -> None:
    """Write the files of some revisions, where they would say something new."""
    living = list(living)
    for revision in revisions:
        addresses = sorted(
            replica.address
            for replica in living
            if replica.revision == revision
            and replica.component == Component.PREDICTOR
            and replica.state == ReplicaState.READY
        )
        _write(path_for(serving, revision), json.dumps(addresses))


def withdraw(serving: Serving) -> None:
    shutil.rmtree(_folder(serving), ignore_errors=True)


def _folder(serving: Serving) -> Path:
    folder: Path = settings.PREDICTORS_DIR
    return folder / serving.key


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(text)
    draft.replace(path)
