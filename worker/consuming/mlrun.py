"""MLRun's records, as its serving functions and ours push them: JSON, one call or many in a message."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from worker.consuming import said
from worker.consuming.said import Body, Origin, Said, Unusable

REFUSED = 400
"""What MLRun answers where a model fails."""
LARGEST_MICROS = said.MOST_SECONDS * said.SECOND_US


def read(value: bytes, origin: Origin) -> list[Said]:
    """The calls in a message. Raises Unusable."""
    found = _parsed(value)
    if "headers" not in found:
        return [_call(found, found, origin)]
    return [_call(found, row, origin, number) for number, row in enumerate(_rows(found))]


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        found = json.loads(value.decode())
    except UnicodeDecodeError:
        raise Unusable("it is no record of MLRun: it is not UTF-8") from None
    except ValueError:
        raise Unusable("it is no record of MLRun: it is no JSON") from None
    except RecursionError:
        raise Unusable("it is no record of MLRun: it is nested too deeply") from None
    if not isinstance(found, dict):
        raise Unusable("it is no record of MLRun: it is no object of JSON")
    return found


def _rows(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The calls of a batch, whose names stand once."""
    names, values = found["headers"], found.get("values")
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise Unusable("its headers are no list of names")
    if not isinstance(values, list) or not values:
        raise Unusable("it has headers and no values")
    for row in values:
        if not isinstance(row, list) or len(row) != len(names):
            raise Unusable(f"one of its values is no list of {len(names)}, as its headers are")
        yield dict(zip(names, row, strict=True))


def _call(base: dict[str, Any], call: dict[str, Any], origin: Origin, row: int | None = None) -> Said:
    if "request" not in call:
        raise Unusable("it is no record of MLRun: it has no request")
    failed = call.get("error") not in (None, "")
    micros = call.get("microsec")
    return Said(
        serving=None,
        function=_text(base.get("function_uri"), 600).split("@")[0].split(":")[0],
        request_id=_request_id(call) or origin.request_id(row),
        requested_at=_moment(call.get("when"), origin.now),
        status=REFUSED if failed else 200,
        duration_us=0 if micros is None else said.whole("microsec", micros, most=LARGEST_MICROS),
        inputs=_body(call["request"]),
        outputs=_body(call.get("resp")),
        replica=_text(base.get("host"), 60),
        protocol="mlrun",
        verb=_text(call.get("op"), 100),
        error=_text(call.get("error"), said.LARGEST_ERROR),
        sampling_percent=said.percent(base.get("sampling_percentage") or 100),
    )


def _request_id(call: dict[str, Any]) -> str:
    for part in (call["request"], call.get("resp")):
        if isinstance(part, dict) and isinstance(found := part.get("id"), str | int) and str(found):
            return said.text(str(found), 128)
    return ""


def _moment(when: Any, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(when)
        utc = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise Unusable("its time (when) is no date and time") from None
    if utc.year < 1970:
        raise Unusable(f"its time, {utc:%Y-%m-%d}, is before 1970")
    return said.not_ahead(utc, now)


def _text(value: Any, most: int) -> str:
    return "" if value is None else said.text(value if isinstance(value, str) else json.dumps(value), most)


def _body(value: Any) -> Body:
    """Of what was JSON in JSON; a body that was redacted whole is {"size", "sha256"}, as elsewhere."""
    if value is None:
        return Body()
    return said.body(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
