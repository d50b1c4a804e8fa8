"""HTTP to one platform: timeouts, bounded retries, and every failure turned into an error of ours."""

from __future__ import annotations

import hashlib
import json as jsonlib
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from hopyard.client.answers import error_of, value_of
from hopyard.client.decoding import WrongShape, decode
from hopyard.client.errors import (
    ConfigurationError,
    ConnectFailed,
    InvalidArgument,
    NotFound,
    ServerError,
    TimedOut,
)
from hopyard.client.local_files import LocalFile, Report, write_whole

T = TypeVar("T")

IDEMPOTENT = {"GET", "PUT"}  # DELETE has its own rule, below
PASSING = {502, 503, 504}
PAUSES_SECONDS = (0.2, 0.5, 1.0)
CONNECT_SECONDS = 10.0
CHUNK_BYTES = 1024 * 1024
OCTETS = "application/octet-stream"


class Transport:
    """One connection pool to one platform with one key. Safe to share between threads."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        self.url = url
        self._seconds = timeout
        headers = {"Accept": "application/json", "User-Agent": "hopyard-python"}
        if api_key:
            headers["Authorization"] = f"ApiKey {api_key}"
        self._http = httpx.Client(headers=headers)

    def close(self) -> None:
        self._http.close()

    def json(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        retried: bool = True,
    ) -> Any:
        """Send JSON, get JSON. Only idempotent methods are tried again, and those only while `retried`."""
        options: dict[str, Any] = {"params": _given(params), "timeout": timeout}
        if body is not None:
            options |= {"content": encode(body), "headers": {"Content-Type": "application/json"}}

        def attempt() -> Any:
            with self._send(method, path, **options) as response:
                response.read()
                return value_of(response)

        return self._repeat(attempt) if retried and method in IDEMPOTENT else attempt()

    def record(self, kind: type[T], method: str, path: str, **options: Any) -> T:
        """As json(), read as one record."""
        with _understood(method, path):
            return decode(kind, self.json(method, path, **options))

    def records(self, kind: type[T], path: str, **params: Any) -> list[T]:
        """All pages of a list."""
        return list(self.each(kind, path, **params))

    def each(self, kind: type[T], path: str, **params: Any) -> Iterator[T]:
        """A list's records, each page asked for when it is needed."""
        with _understood("GET", path):
            for item in self._items(path, params):
                yield decode(kind, item, "item")

    def delete(self, path: str) -> None:
        """Gone when it returns; not finding it counts as done if an earlier try may have deleted it."""
        lost = False

        def attempt() -> None:
            nonlocal lost
            try:
                with self._send("DELETE", path):
                    pass
            except NotFound:
                if not lost:
                    raise
            except (ConnectFailed, ServerError):
                lost = True
                raise

        self._repeat(attempt)

    def put_file(self, path: str, file: LocalFile, report: Report | None = None) -> Any:
        """Stream a file from disk; the server checks its digest. `report` gets the bytes sent so far."""
        headers = {
            "Content-Length": str(file.size),
            "Content-Type": OCTETS,
            "X-Content-SHA256": file.sha256(),
        }

        def attempt() -> Any:
            chunks = file.chunks(CHUNK_BYTES, report)
            with self._send("PUT", path, content=chunks, headers=headers) as response:
                response.read()
                return value_of(response)

        return self._repeat(attempt)

    def put_bytes(self, path: str, data: bytes) -> None:
        """Send one chunk of a file; the server checks its digest."""
        headers = {"Content-Type": OCTETS, "X-Content-SHA256": hashlib.sha256(data).hexdigest()}

        def attempt() -> None:
            with self._send("PUT", path, content=data, headers=headers):
                pass

        self._repeat(attempt)

    def get_file(self, path: str, target: Path, *, sha256: str = "", report: Report | None = None) -> None:
        """Stream an answer to disk; `target` appears whole or not at all.

        Its bytes must have `sha256`, or without it the digest that the platform says it registered.
        """

        def attempt() -> None:
            with self._send("GET", path) as response, _translated(self.url):
                expected = sha256 or response.headers.get("X-Content-SHA256", "")
                write_whole(target, response.iter_bytes(CHUNK_BYTES), sha256=expected, report=report)

        self._repeat(attempt)

    def _items(self, path: str, params: Mapping[str, Any]) -> Iterator[Any]:
        """Follow `next` by its query alone: behind a proxy its host may not be the one we were told."""
        query: Any = _given(params)
        seen: set[str] = set()
        while True:
            page = self.json("GET", path, params=query)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise WrongShape("a list of items was expected")
            yield from page["items"]
            if not page.get("next"):
                return
            query = urlsplit(str(page["next"])).query
            if query in seen:
                raise WrongShape(f"the page {query!r} leads to itself")
            seen.add(query)
            query = httpx.QueryParams(query)

    @contextmanager
    def _send(
        self, method: str, path: str, *, timeout: float | None = None, **options: Any
    ) -> Iterator[httpx.Response]:
        """One try. The answer is good when this yields; its body is not read yet."""
        seconds = timeout or self._seconds
        limits = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        with (
            _translated(self.url, seconds),
            self._http.stream(method, self.url + path, timeout=limits, **options) as response,
        ):
            if not response.is_success:
                response.read()
                raise error_of(response)
            yield response

    def _repeat(self, attempt: Callable[[], T]) -> T:
        for pause in PAUSES_SECONDS:
            try:
                return attempt()
            except ConnectFailed:
                pass
            except ServerError as error:
                if error.status not in PASSING:
                    raise
            sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads clients out, no secret
        return attempt()


def encode(body: Any) -> bytes:
    """JSON, with numpy arrays and numbers as the lists and numbers they hold. NaN has no JSON."""
    try:
        return jsonlib.dumps(body, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"This cannot be sent as JSON: {error}.") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _given(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}


@contextmanager
def _translated(url: str, seconds: float | None = None) -> Iterator[None]:
    """httpx's errors as ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise TimedOut(f"{url} did not answer within {seconds:g} seconds.") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ConfigurationError(f"{url} is not an address this client can use: {error}") from error
    except httpx.ConnectError as error:
        raise ConnectFailed(f"{url} cannot be reached: {error}. Is the platform running?") from error
    except httpx.HTTPError as error:
        raise ConnectFailed(f"The connection to {url} broke: {error}") from error


@contextmanager
def _understood(method: str, path: str) -> Iterator[None]:
    """An answer of the wrong shape is the server's error, not a traceback of ours."""
    try:
        yield
    except WrongShape as error:
        message = f"{method} {path} answered something this client does not understand: {error}."
        raise ServerError(200, "unexpected_answer", message) from error
