"""Keeps what grows within bounds: inference records per serving, topic files read to their end."""

import contextlib
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from models_registry.models import Artifact
from serving.models import InferenceRecord, Serving, TopicOffset

LEFTOVERS_KEPT_SECONDS = 24 * 3600
READ_FILES_KEPT_SECONDS = 7 * 24 * 3600


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
    for serving in Serving.objects.all():
        records = InferenceRecord.objects.filter(serving=serving).order_by("-requested_at", "-id")
        first_beyond = records.values_list("requested_at", flat=True)[
            settings.INFERENCE_RECORDS_KEPT :
        ].first()
        if first_beyond is not None:
            InferenceRecord.objects.filter(serving=serving, requested_at__lte=first_beyond).delete()


def forget_read_topic_files() -> None:
    """Remove topic files that were read whole and have not grown for a week."""
    for offset in TopicOffset.objects.all():
        path = Path(offset.path)
        if not path.exists():
            offset.delete()
        elif (
            offset.position >= path.stat().st_size
            and time.time() - path.stat().st_mtime > READ_FILES_KEPT_SECONDS
        ):
            path.unlink()
            offset.delete()
