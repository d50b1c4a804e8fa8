"""Slow clients are told so, or dropped, by one timer for all connections."""

import asyncio

import pytest

from hopyard.server.http import connections
from hopyard.server.http.connections import Connections
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.protocol import HttpProtocol
from hopyard.server.http.requests import RequestIds

from .process import http


def answer(request):
    if request.refusal:
        request.fail(request.refusal.status, request.refusal.code, request.refusal.sentence)
    else:
        request.respond(200, b"{}")


@pytest.fixture
def talk(monkeypatch):
    """Send bytes to a server with short patience and return what it says until it closes."""
    monkeypatch.setattr(connections, "TICK_SECONDS", 0.02)

    def run(data: bytes, handle=answer, **limits: float) -> bytes:
        async def main() -> bytes:
            loop = asyncio.get_running_loop()
            shared, ids = Connections(loop), RequestIds()
            patience = HttpLimits(**{"head": 5.0, "body": 5.0, "idle": 5.0, **limits})
            server = await loop.create_server(
                lambda: HttpProtocol(handle, connections=shared, ids=ids, limits=patience), "127.0.0.1", 0
            )
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(data)
            try:
                return await asyncio.wait_for(reader.read(), 4)
            finally:
                writer.close()
                await writer.wait_closed()
                server.close()

        return asyncio.run(main())

    return run


def test_a_head_that_does_not_end_times_out(talk):
    assert b"408 Request Timeout" in talk(b"GET / HTTP/1.1\r\nX: y", head=0.1)


def test_a_body_that_does_not_end_times_out(talk):
    assert b"408 Request Timeout" in talk(http()[:-1], body=0.1)


def test_a_silent_connection_is_closed_without_a_word(talk):
    assert talk(b"", head=0.1) == b""


def test_an_idle_connection_is_closed_after_its_answer(talk):
    assert talk(http(), idle=0.1).count(b"HTTP/1.1") == 1


def test_a_long_call_is_not_a_slow_client(talk):
    def later(request):
        asyncio.get_running_loop().call_later(0.5, request.respond, 200, b"{}")

    said = talk(http() + http(), later, head=0.1, body=0.1, idle=0.1)
    assert said.count(b"200 OK") == 2


def test_a_handler_that_fails_is_a_server_error_without_its_words(talk):
    def broken(request):
        raise RuntimeError("private")

    said = talk(http(b"{}", b"Connection: close"), broken)
    assert b"500 Internal Server Error" in said
    assert b"private" not in said
