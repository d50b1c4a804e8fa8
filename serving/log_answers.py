"""A replica's whole log as an answer, for pages and programs alike."""

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from serving import logs
from serving.errors import NoSuchServing
from serving.models import Serving


def whole(serving: Serving, replica: str) -> StreamingHttpResponse:
    """Raises NoSuchServing if no log of such a replica is kept."""
    log = logs.whole(serving, replica)
    if log is None:
        raise NoSuchServing(f"There is no log of a replica {replica} of {serving}.")
    answer = StreamingHttpResponse(log, content_type="text/plain; charset=utf-8")
    answer["Content-Length"] = str(log.size)
    answer["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{serving}-{replica}.log") or ""
    )
    return answer
