"""The content of a `data_url`: over HTTP alone, bounded in time and size."""

from io import BytesIO
from urllib import request

SECONDS = 10.0
MOST_BYTES = 64 * 1024 * 1024


def fetch(url: str) -> BytesIO:
    """Return what is at an http(s) URL. Raises OSError, and ValueError if it is too large."""
    opener = request.OpenerDirector()
    for handler in (
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPRedirectHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    with opener.open(url, timeout=SECONDS) as answer:
        content: bytes = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"what is at {url} is larger than {MOST_BYTES} bytes")
    return BytesIO(content)
