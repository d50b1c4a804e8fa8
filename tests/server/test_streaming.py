"""Answers in pieces: as they come, at the client's pace, and never complete when they are not."""

import socket
from contextlib import closing

import httpx
import pytest

from .process import ServerProcess, eventually, read_all

LINES = """
    class Predict:
        def predict(self, inputs):
            for row in inputs:
                yield {"row": row}
        async def classify(self, inputs):
            return self.each(inputs)
        async def each(self, inputs):
            for row in inputs:
                yield f"{row};"
        def regress(self, inputs):
            yield from (b"\\x00", bytearray(b"\\xff"), memoryview(b"!"), "", 5, None)
"""
GATED = """
    import os, time
    class Predict:
        def predict(self, inputs):
            yield "first"
            while not os.path.exists({gate!r}):
                time.sleep(0.01)
            yield "last"
"""
ENDLESS = """
    import asyncio, itertools, threading
    sent = itertools.count()
    class Predict:
        def predict(self, inputs):
            try:
                while True:
                    next(sent)
                    yield b"x" * 65536
            finally:
                print("closed in", threading.current_thread().name, flush=True)
        async def classify(self, inputs):
            return self.each()
        async def each(self):
            try:
                while True:
                    next(sent)
                    yield b"x" * 65536
            finally:
                await asyncio.sleep(0)
                print("closed in", threading.current_thread().name, flush=True)
        def regress(self, inputs):
            return next(sent)
"""
FAILING = """
    import builtins
    class Predict:
        def predict(self, inputs):
            yield from range(inputs[0])
            raise getattr(builtins, inputs[1])("the well is dry")
        async def classify(self, inputs):
            return self.each(inputs)
        async def each(self, inputs):
            for number in range(inputs[0]):
                yield number
            raise getattr(builtins, inputs[1])("the well is dry")
        def regress(self, inputs):
            yield from inputs
            yield object()
"""


def served(name, script):
    @pytest.fixture(scope="module", name=name)
    def serve_once(tmp_path_factory):
        with closing(ServerProcess(tmp_path_factory.mktemp(name), script, {})) as server:
            yield server.ready()

    return serve_once


lines, failing, endless = served("lines", LINES), served("failing", FAILING), served("endless", ENDLESS)
VERBS = pytest.mark.parametrize("verb", ["predict", "classify"])


def ask(verb=b"predict", body=b'{"instances": [1, 2]}', version=b"1.1", *lines):
    head = (
        b"POST /v1/models/iris:%b HTTP/%b" % (verb, version),
        b"Host: x",
        b"Content-Length: %d" % len(body),
    )
    return b"\r\n".join((*head, *lines)) + b"\r\n\r\n" + body


def post(server, verb, rows):
    return server.post(f"/v1/models/iris:{verb}", json={"instances": rows})


def test_every_piece_is_a_line_of_json_or_what_it_is(lines):
    answer = post(lines, "predict", [1, [2]])
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.text == '{"row":1}\n{"row":[2]}\n'
    assert post(lines, "classify", [1, 2]).text == "1;2;"
    assert post(lines, "regress", [1]).content == b"\x00\xff!5\nnull\n"
    assert post(lines, "predict", []).content == b""


def test_the_next_request_finds_the_connection_in_order(lines):
    answer = lines.exchange(ask(), ask(b"classify", b'{"instances": [3]}', b"1.1", b"Connection: close"))
    bodies = [each.partition(b"\r\n\r\n")[2] for each in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b'a\r\n{"row":1}\n\r\na\r\n{"row":2}\n\r\n0\r\n\r\n', b"2\r\n3;\r\n0\r\n\r\n"]


def test_a_piece_is_sent_before_the_next_is_made(serve, tmp_path):
    gate = tmp_path / "gate"
    server = serve(GATED.format(gate=str(gate))).ready()
    with httpx.stream("POST", server.url("/v1/models/iris:predict"), json={"instances": [1]}) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"first"
        gate.touch()
        assert next(pieces) == b"last"


def test_http_1_0_gets_the_pieces_and_then_the_end_of_the_connection(lines):
    answer = lines.exchange(ask(version=b"1.0"))
    assert b"transfer-encoding" not in answer
    assert b"connection: close" in answer
    assert answer.endswith(b'\r\n\r\n{"row":1}\n{"row":2}\n')


def test_head_is_no_prediction(lines):
    assert lines.client.head(lines.url("/v1/models/iris:predict")).status_code == 405


@VERBS
@pytest.mark.parametrize("error", ["ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_an_error_in_the_middle_breaks_the_answer_off(failing, verb, error):
    with pytest.raises(httpx.RemoteProtocolError):
        post(failing, verb, [2, error])
    if error == "ValueError":
        eventually(lambda: "the well is dry" in failing.log)
        assert "iris.py" in failing.log
        line = f'hopyard_requests_total{{model="iris",verb="{verb}",status="500"}}'
        eventually(lambda: failing.metric(line) >= 1)
    assert failing.get("/v2/health/ready").status_code == 200
    assert failing.metric("hopyard_in_flight") == 0


@VERBS
@pytest.mark.parametrize("error", ["ValueError", "SystemExit"])
def test_an_error_before_the_first_piece_is_told(failing, verb, error):
    answer = post(failing, verb, [0, error])
    assert answer.status_code == 500
    assert answer.json()["error"] == f"{error}: the well is dry"


def test_a_piece_that_cannot_be_sent_is_an_error(failing):
    answer = post(failing, "regress", [])
    assert (answer.status_code, answer.json()["code"]) == (500, "AnswerInvalid")
    with pytest.raises(httpx.RemoteProtocolError):
        post(failing, "regress", [1])


@VERBS
def test_a_slow_client_is_waited_for(endless, verb):
    before = made_by(endless)
    with endless.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(ask(verb.encode()))
        slow.recv(100)
        eventually(lambda: is_still(endless))
        assert made_by(endless) - before < 1000  # of 64 KiB each: what sockets buffer, and asking
    eventually(lambda: endless.metric("hopyard_in_flight") == 0)


def made_by(server):
    """How many pieces were made so far; asking makes one."""
    return post(server, "regress", []).json()["predictions"]


def is_still(server):
    first = made_by(server)
    return [made_by(server) for _ in range(5)] == list(range(first + 1, first + 6))


@VERBS
def test_a_client_that_leaves_ends_the_stream_and_the_generator(endless, verb):
    closed = f"closed in {'model' if verb == 'predict' else 'MainThread'}"
    line = f'hopyard_requests_total{{model="iris",verb="{verb}",status="499"}}'
    before, left = endless.log.count(closed), endless.metric(line)
    with endless.connect() as leaving:
        leaving.sendall(ask(verb.encode()))
        assert leaving.recv(100).startswith(b"HTTP/1.1 200 OK")
    eventually(lambda: endless.log.count(closed) == before + 1)
    eventually(lambda: endless.metric(line) == left + 1)
    assert endless.metric("hopyard_in_flight") == 0
    assert "Traceback" not in endless.log


def test_requests_are_answered_between_the_pieces_of_another(endless):
    with endless.connect() as slow:
        slow.sendall(ask())
        slow.recv(100)
        assert post(endless, "regress", []).status_code == 200
    eventually(lambda: endless.metric("hopyard_in_flight") == 0)


def test_an_iterator_that_cannot_be_begun_is_an_error(serve):
    script = """
        class Odd:
            def __next__(self): return 1
            def __iter__(self): raise RuntimeError("not today")
        class Predict:
            def predict(self, inputs):
                return Odd()
    """
    answer = post(serve(script).ready(), "predict", [1])
    assert (answer.status_code, answer.json()["error"]) == (500, "RuntimeError: not today")


def test_a_stream_is_not_cut_by_the_server_s_own_end(serve, tmp_path):
    gate = tmp_path / "gate"
    server = serve(GATED.format(gate=str(gate))).ready()
    with server.connect() as connection:
        connection.sendall(ask())
        assert b"first" in connection.recv(4096) or b"first" in connection.recv(4096)
        server.process.terminate()
        eventually(lambda: "Stopping" in server.log)
        gate.touch()
        assert b"last\r\n0\r\n\r\n" in read_all(connection)
    assert server.process.wait(10) == 0
