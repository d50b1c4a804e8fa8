"""A request that came from no connection, and the answer that waits to be looked at."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from hopyard.server.http.requests import NOBODY, Request
from hopyard.server.replies import JSON

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a real server would have sent. `headers` are lines beyond those of every answer."""

    status: int
    body: bytes
    headers: bytes
    content_type: str

    @property
    def is_json(self) -> bool:
        return self.content_type.partition(";")[0] == "application/json"

    @property
    def is_text(self) -> bool:
        return self.is_json or self.content_type.startswith("text/")

    @property
    def header_map(self) -> dict[str, str]:
        lines = self.headers.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip(): value.strip() for name, _, value in pairs}


class MockRequest(Request):
    """`answered` gets the answer; the pieces of a streamed one are put together."""

    def __init__(self, headers: Mapping[str, str], content_type: str | None) -> None:
        raw = {
            name.lower().encode("latin-1"): str(value).encode("latin-1") for name, value in headers.items()
        }
        if content_type:
            raw[b"content-type"] = content_type.encode("latin-1")
        super().__init__(NOBODY, raw)
        self.answered: Future[Answer] = Future()
        self._pieces: list[bytes] = []
        self._begun_with = (200, b"", "")

    def respond(
        self, status: int, body: bytes, *, headers: bytes = b"", content_type: bytes | None = JSON
    ) -> None:
        if not self.answered.done():
            self.answered.set_result(Answer(status, body, headers, _text(content_type)))

    def begin(self, status: int, *, headers: bytes = b"", content_type: bytes | None = JSON) -> None:
        self.begun = True
        self._begun_with = (status, headers, _text(content_type))

    async def write(self, data: bytes) -> None:
        self._pieces.append(data)

    def end(self) -> None:
        status, headers, content_type = self._begun_with
        self.answered.set_result(Answer(status, b"".join(self._pieces), headers, content_type))

    def break_off(self) -> None:
        so_far = b"".join(self._pieces).decode(errors="replace")
        self.answered.set_exception(RuntimeError(f"the answer broke off after {so_far!r}"))


def _text(content_type: bytes | None) -> str:
    return content_type.decode("latin-1") if content_type else ""
