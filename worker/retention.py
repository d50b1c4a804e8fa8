"""Keeps what grows within bounds: inference records per serving, topic files read to their end."""

import contextlib
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from models_registry.models import Artifact
from worker.consuming import trimming

LEFTOVERS_KEPT_SECONDS = 24 * 3600


def remove_leftovers() -> None:
    """Artifacts that no version has any more, and drafts whose writer died."""
    known = set(Artifact.objects.values_list("digest", flat=True))
    for path in _old(Path(settings.ARTIFACT_DIR).glob("*")):
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
    for path in _old(
        [*Path(settings.BLOB_DIR).glob("incoming-*"), *Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*")]
    ):
        path.unlink(missing_ok=True)


def _old(paths: Iterable[Path]) -> list[Path]:
    limit = time.time() - LEFTOVERS_KEPT_SECONDS
    found = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # somebody else may have removed it
            found += [path] if path.stat().st_mtime < limit else []
    return found


def trim_inference_records() -> None:
    """Those beyond the kept age, number and size."""
    trimming.trim()
