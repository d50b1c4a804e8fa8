"""Bytes in, bytes out: what a real network sends."""

import re
import socket

import httpx
import pytest

from .process import eventually, http, read_all

CLOSE = b"Connection: close"


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def test_pipelined_requests_are_answered_in_order(echo):
    requests = [http(b'{"instances": [%d]}' % n) for n in range(99)]
    last = http(b'{"instances": [99]}', CLOSE)
    answer = echo.exchange(b"".join(requests) + last)
    assert re.findall(rb'"predictions":\[(\d+)\]', answer) == [b"%d" % n for n in range(100)]


def test_a_request_may_arrive_byte_by_byte(echo):
    request = http(b'{"instances": [7]}', CLOSE)
    assert b'{"predictions":[7]}' in echo.exchange(*[request[i : i + 1] for i in range(len(request))])


def test_a_chunked_body_is_joined(echo):
    def parts():
        yield b'{"instances"'
        yield b": [1, 2]}"

    answer = echo.client.post(echo.url("/v1/models/iris:predict"), content=parts())
    assert answer.json() == {"predictions": [1, 2]}


def test_trailers_of_a_chunked_body_do_not_reach_the_next_request(echo):
    chunked = (
        b"POST /v1/models/iris:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'12\r\n{"instances": [1]}\r\n0\r\nX-Request-Id: trailer\r\n\r\n'
    )
    answer = echo.exchange(chunked + http(b'{"instances": [2]}', CLOSE))
    assert statuses(answer) == [200, 200]
    assert b"x-request-id: trailer" not in answer


def test_a_client_that_waits_for_continue_gets_it(echo):
    body = b'{"instances": [3]}'
    with echo.connect() as connection:
        connection.sendall(http(body, CLOSE, b"Expect: 100-continue")[: -len(body)])
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert b'{"predictions":[3]}' in read_all(connection)


def test_an_upgrade_is_ignored_and_the_body_read(echo):
    headers = (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    )
    first = http(b'{"instances": [4]}', *headers)
    for cut in (len(first), len(first) - 5):
        answer = echo.exchange(first[:cut], first[cut:] + http(b'{"instances": [5]}', CLOSE))
        assert re.findall(rb'"predictions":\[(\d+)\]', answer) == [b"4", b"5"]


def test_a_head_that_begins_after_a_large_body_is_not_taken_for_a_large_head(echo):
    large, next_one = http(b'{"instances": ["' + b"x" * 60_000 + b'"]}'), http(b'{"instances": [5]}', CLOSE)
    with echo.connect() as connection:
        connection.sendall(large + next_one[:20])
        said = connection.recv(65536)
        connection.sendall(next_one[20:])
        assert statuses(said + read_all(connection)) == [200, 200]


def test_http_1_0_is_answered_and_closed(echo):
    answer = echo.exchange(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


def test_http_1_0_keeps_the_connection_when_asked(echo):
    keep = b"GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    answer = echo.exchange(keep + b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert statuses(answer) == [200, 200]
    assert b"connection: keep-alive" in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nBad Header: 1\r\n\r\n",
    ],
)
def test_malformed_bytes_are_a_bad_request(echo, request_bytes):
    answer = echo.exchange(request_bytes)
    assert statuses(answer) == [400]
    assert b'"code":"MalformedRequest"' in answer
    assert b"x-request-id: " in answer


def test_a_good_request_before_malformed_bytes_is_still_answered(echo):
    assert statuses(echo.exchange(http() + b"\x00\x00\x00\r\n\r\n")) == [200, 400]


def test_a_tunnel_is_not_opened(echo):
    assert statuses(echo.exchange(b"CONNECT host:443 HTTP/1.1\r\n\r\n"))[0] == 404


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_with_its_reason(echo, announced):
    body = b"[" + b" " * 200_000
    content = body if announced else iter([body[:90_000], body[90_000:]])
    answer = httpx.post(echo.url("/v1/models/iris:predict"), content=content)
    assert answer.status_code == 413
    assert "over 100000 bytes" in answer.json()["error"]


def test_a_client_that_asks_first_is_refused_before_it_sends_the_body(echo):
    head = http(b"", b"Expect: 100-continue").replace(b"Length: 0", b"Length: 200000")
    assert statuses(echo.exchange(head)) == [413]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX-Endless: " + b"a" * 40_000,
    ],
)
def test_headers_over_the_limit_are_refused(echo, head):
    assert statuses(echo.exchange(head)) == [431]


def test_a_client_that_leaves_cancels_what_has_not_started(serve, tmp_path):
    gate = tmp_path / "gate"
    script = f"""
        import os, time
        class Predict:
            def predict(self, inputs):
                print("called with", inputs)
                while not os.path.exists({str(gate)!r}):
                    time.sleep(0.01)
                return inputs
    """
    server = serve(script).ready()
    first, second = server.connect(), server.connect()
    with first, second:
        first.sendall(http(b'{"instances": ["first"]}', CLOSE))
        eventually(lambda: "first" in server.log)
        second.sendall(http(b'{"instances": ["second"]}'))
        eventually(lambda: server.metric("hopyard_in_flight") == 2)
        second.close()
        server.get("/v2/health/live")
        gate.touch()
        assert statuses(read_all(first)) == [200]
    eventually(lambda: server.metric("hopyard_in_flight") == 0)
    assert server.metric('hopyard_requests_total{model="iris",verb="predict",status="499"}') == 1
    assert "second" not in server.log


def test_a_client_that_leaves_during_its_call_harms_nobody(serve, tmp_path):
    gate = tmp_path / "gate"
    script = f"""
        import os, time
        class Predict:
            async def predict(self, inputs):
                import asyncio
                while not os.path.exists({str(gate)!r}):
                    await asyncio.sleep(0.01)
                return inputs
    """
    server = serve(script).ready()
    with server.connect() as connection:
        connection.sendall(http())
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
    gate.touch()
    eventually(lambda: server.metric("hopyard_in_flight") == 0)
    assert server.predict(5).json() == {"predictions": [5]}
    assert "Traceback" not in server.log


def test_a_client_that_does_not_read_holds_up_nobody_else(echo):
    row = b'"' + b"x" * 90_000 + b'"'
    with echo.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        try:
            for _ in range(200):
                connection.sendall(http(b'{"instances": [%b]}' % row))
        except BlockingIOError:
            pass
        assert echo.predict(1).json() == {"predictions": [1]}
