"""Keeps the inference records that replicas send, in the topics' files, as a replica with a shared disk writes them.

What a replica says of a call is its own; which project, serving, revision and model it is of is not.
"""

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from models_registry import storage
from serving.models import Replica, Revision, Serving

MOST_BYTES = 8 * 1024 * 1024
MOST_CHARACTERS = 2 * 1024 * 1024

Of = dict[str, tuple[Revision, list[bytes]]]


class BadRecords(Exception):
    """Some line cannot be kept; the text says which and why. None of the others is kept either."""


class NotKept(Exception):
    """The topic could not be written; the same lines may be sent again."""


def keep(serving: Serving, body: bytes) -> int:
    """Append lines of JSON to the topics of their replicas' revisions and return how many. Raises BadRecords, NotKept
    and storage.StorageFull.
    """
    by_replica: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, line in enumerate(body.splitlines(), 1):
        try:
            record = _read(line)
        except (ValueError, RecursionError) as error:
            raise BadRecords(f"Line {number} is no inference record: {error}.") from None
        by_replica[record["replica"]].append(record)
    revisions = _revisions(serving, by_replica)
    storage.require_room(len(body))
    for replica, records in by_replica.items():
        _append(_path(serving, revisions[replica], replica), _lines(serving, revisions[replica], records))
    return sum(map(len, by_replica.values()))


def _read(line: bytes) -> dict[str, Any]:
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("it is no JSON object")
    texts = {name: _text(said, name) for name in ("request_id", "replica", "verb")}
    numbers = {name: _number(said, name) for name in ("status", "requested_at", "duration_us")}
    bodies = {name: _body(said, name) for name in ("inputs", "outputs")}
    optional = {name: _text(said, name, may_miss=True) for name in ("error", "key_id")}
    return texts | numbers | bodies | optional


def _text(said: Mapping[str, Any], name: str, *, may_miss: bool = False) -> str | None:
    value = said.get(name)
    if value is None and may_miss:
        return None
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise ValueError(f"{name} is no text")
    return value.encode(errors="replace").decode()


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ValueError(f"{name} is no whole number")
    return value


def _body(said: Mapping[str, Any], name: str) -> str | dict[str, Any] | None:
    """A text, or what stands for one that was too long: its size and sha256."""
    value = said.get(name)
    if not isinstance(value, dict):
        return _text(said, name, may_miss=True)
    return {"size": _number(value, "size"), "sha256": _text(value, "sha256")}


def _revisions(serving: Serving, replicas: Mapping[str, object]) -> dict[str, Revision]:
    """The revision that each replica runs. Raises BadRecords."""
    numbers = dict(Replica.objects.filter(serving=serving, name__in=replicas).values_list("name", "revision"))
    if strangers := sorted(replicas.keys() - numbers.keys()):
        raise BadRecords(f"{serving} has no replica {strangers[0][:60]}.")
    found = Revision.objects.filter(serving=serving, number__in=numbers.values())
    revisions = {each.number: each for each in found.select_related("model_version")}
    silent = sorted(name for name, number in numbers.items() if not revisions[number].topic)
    if silent:
        raise BadRecords(f"Replica {silent[0]} runs a revision that logs no calls.")
    return {name: revisions[number] for name, number in numbers.items()}


def _lines(serving: Serving, revision: Revision, records: list[dict[str, Any]]) -> bytes:
    stamp = {
        "project": serving.project.name,
        "serving": serving.name,
        "revision": str(revision.number),
        "model_version": str(revision.model_version.number),
    }
    written = [json.dumps(each | stamp, ensure_ascii=False, separators=(",", ":")) for each in records]
    return "".join(f"{line}\n" for line in written).encode()


def _path(serving: Serving, revision: Revision, replica: str) -> Path:
    folder: Path = settings.TOPIC_DIR
    return folder / serving.project.name / revision.topic / f"{replica}.jsonl"


def _append(path: Path, data: bytes) -> None:
    """Whole lines or nothing; several processes of the platform may write to the same file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            torn = b"\n" if size and not _ends_a_line(file) else b""
            written = file.write(torn + data)
            if written != len(torn + data):
                file.truncate(size)
                raise OSError(f"only {written} bytes of them fitted")
    except OSError as error:
        raise NotKept(f"The records could not be kept ({error}); send them again.") from error


def _ends_a_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
