"""An export of calls as an answer, for pages and programs alike."""

from collections.abc import Mapping

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from serving.models import Serving
from serving.records import exports, filters
from serving.records.filters import BadFilters

FORMAT, MOST = "format", "most"


def exported(serving: Serving, said: Mapping[str, str]) -> StreamingHttpResponse:
    """What the address says is exported: filters, `format` and `most`. Raises BadFilters and queries.TooSlow."""
    asked = filters.parse(said, besides=(FORMAT, MOST))
    how = exports.FORMATS.get(said.get(FORMAT, "csv"))
    if how is None:
        raise BadFilters({FORMAT: f"There is no such format; there are {', '.join(exports.FORMATS)}."})
    content = exports.export(serving, asked, how, most=_most(said.get(MOST, "")))
    answer = StreamingHttpResponse(content, content_type=how.content_type)
    answer["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{serving}-calls.{how.ending}") or ""
    )
    answer["X-Accel-Buffering"] = "no"
    return answer


def _most(text: str) -> int:
    if not text:
        return exports.MOST_RECORDS
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= exports.MOST_RECORDS:
        raise BadFilters({MOST: f"Write a number from 1 to {exports.MOST_RECORDS}."})
    return number
