"""The event that a V2ModelServer is asked with, and the response its operations may answer with."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


class Trigger:
    """What brought an event: `http`, or the kind of a stream."""

    def __init__(self, kind: str = "", name: str = "") -> None:
        self.kind = kind
        self.name = name


HTTP = Trigger("http", "http")


class Event:
    """One request. `path` is the operation alone, `body` what was sent, decoded; `do_event` writes the answer
    into `body`, and sets `terminated` where nothing may follow.
    """

    terminated = False
    error: Any = None
    data_url = ""

    def __init__(  # noqa: PLR0913, PLR0917 - the arguments MLRun's own mock event has
        self,
        body: Any = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        path: str | None = None,
        event_id: str | None = None,
        trigger: Trigger | None = None,
        offset: Any = None,
        time: datetime | None = None,
    ) -> None:
        self.id = event_id or uuid.uuid4().hex
        self.body = body
        self.content_type = content_type
        self.headers = {} if headers is None else headers
        self.method = method or "POST"
        self.path = path or "/"
        self.trigger = trigger or HTTP
        self.offset = offset
        self.time = time
        self.key = ""

    @property
    def timestamp(self) -> datetime:
        """When it happened, in UTC."""
        return self.time or datetime.now(UTC)

    def __str__(self) -> str:
        return f"Event(id={self.id}, body={self.body}, method={self.method}, path={self.path})"


class Response:
    """An answer with a status, a content type and headers of its own; sent as it is."""

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str | None = None,
        status_code: int = 200,
    ) -> None:
        self.headers = headers or {}
        self.body = body
        self.status_code = status_code
        self.content_type = content_type or "text/plain"

    def json(self) -> Any:
        """The body as a value. Raises ValueError if it is not JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"Response(status_code={self.status_code}, body={self.body!r})"


def now() -> str:
    """The time in the envelope: UTC, with microseconds and a space before them."""
    return datetime.now(UTC).isoformat(" ", "microseconds")
