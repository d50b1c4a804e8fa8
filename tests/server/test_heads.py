"""A head that was seen before is not parsed again, and nobody can tell: every answer is the parser's."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .fuzzing import thorough
from .process import http
from .wire import Wire, connections, cut, silence

PREDICT = b"POST /v1/models/iris:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
OTHER = b"POST /v1/models/other:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def request(body=b'{"instances": [1]}', *lines, first=b"POST /v1/models/iris:predict HTTP/1.1"):
    given = (first, b"Host: x", *(lines or (b"Content-Length: %d" % len(body),)))
    return b"\r\n".join(given) + b"\r\n\r\n" + body


def told(*feeds, later=False):
    """What each connection was told: by a server that learns heads, and by one that does not."""
    both = []
    for learns in (True, False):
        shared = connections(learns=learns)
        wires = []
        for chunks in feeds:
            wire = Wire(shared, later=later).feed(*chunks)
            wires.append(wire.answer_all() if later else wire)
            wire.check()
        both.append([(without_ids(bytes(wire.said)), wire.asked, wire.closed) for wire in wires])
    assert both[0] == both[1]
    return both[0]


def without_ids(said):
    """What differs from one second, and one request, to the next."""
    said = re.sub(rb"date: [^\r]+\r\n", b"date: *\r\n", said)
    said = re.sub(rb"x-request-id: [0-9a-f]{12}-[0-9a-f]+\r\n", b"x-request-id: *\r\n", said)
    return re.sub(rb'"request_id":"[0-9a-f]{12}-[0-9a-f]+"', b'"request_id":"*"', said)


def test_a_head_is_known_after_it_was_parsed_once():
    shared = connections()
    Wire(shared).feed(b"", request())
    Wire(shared).feed(request(), request(b'{"instances": [2]}'))
    assert [known.length for known in shared.heads.values()] == [18]
    assert len(shared.heads) == 1


def test_bodies_of_one_length_are_told_apart():
    bodies = [b'{"instances": [%d]}' % number for number in range(10)]
    _, asked, _ = told([request(body) for body in bodies])[0]
    assert [body for _, _, body in asked] == bodies


def test_a_body_that_looks_like_a_known_request_teaches_nothing():
    """The body of one request, arriving alone, begins with the head of another's."""
    head = OTHER % 400
    poison = head + b"x" * (400 - len(head))
    assert len(poison) == 400
    rest = b"GET /" + b"a" * (len(head) - 5)  # so long that the bytes after the inner head are 400
    first = PREDICT % 400
    victim = OTHER % 400 + b"y" * 400
    _, (_, asked, _) = told(
        [b"GET / HTTP/1.1\r\n\r\n", first, poison + rest], [b"GET / HTTP/1.1\r\n\r\n", victim]
    )
    assert asked[-1] == (b"POST", b"/v1/models/other:predict", b"y" * 400)


AGAIN = [request(), request(b'{"instances": [2]}')]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    "chunks",
    [
        [request() * 3],
        [request() + request()[:20], request()[20:]],
        [request()[:10], request()[10:], request()],
        [request()[:-3], request()[-3:], request()],
        [request()[:-3], request()],
        [request() + b"\r\n", request()],
        [b"\r\n" + request(), request()],
        [request() + b"x", request()],
        [request(b'{"instances": [1]}extra', b"Content-Length: 18"), request()],
        [request(b"short", b"Content-Length: 18"), request()],
        [request(b"", b"Content-Length: 0"), request()],
        [request(first=b"POST /v1/models/iris:predict HTTP/1.0"), request()],
        [request(b"1" * 18, b"Content-Length: 18", b"Connection: close"), request()],
        [request(b"1" * 18, b"Content-Length: 18", b"Connection: keep-alive")] * 2,
        [request(b"1" * 18, b"content-length: 18"), request(b"2" * 18, b"CONTENT-LENGTH: 18")],
        [request(b"1" * 18, b"Content-Length: 18", b"X-Request-Id: mine")] * 2,
        [request(b"1" * 18, b"Content-Length: 18", b"Expect: 100-continue")] * 2,
        [request(b"1" * 18, b"Content-Length: 18", b"Upgrade: h2c", b"Connection: Upgrade")] * 2,
        [request(b"2\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")] * 2,
        [request(b"1" * 18, b"Content-Length: 18", b"Transfer-Encoding: chunked")] * 2,
        [request(b"1" * 18, b"Content-Length: 18", b"Content-Length: 18")] * 2,
        [request(b"1" * 18, b"Content-Length: 18, 18")] * 2,
        [request(b"1" * 18, b"Content-Length: +18")] * 2,
        [request(b"1" * 18, b"Content-Length: 0018")] * 2,
        [request(b"1" * 18, b"Content-Length : 18")] * 2,
        [request(b"1" * 18, b"X: y\r\n Content-Length: 4", b"Content-Length: 18")] * 2,
        [request(b"1" * 18, b"Content-Length: 18\n")] * 2,
        [request(b"1" * 18, b"Content-Length: 18").replace(b"\r\n", b"\n")] * 2,
        [request(b"\r\n\r\nabcd", b"Content-Length: 8")] * 2,
        [request(b"\n\n" + b"\r\n" * 4, b"Content-Length: 4")] * 2,
        [request(b"1" * 30_000)] * 2,
        [b"NONSENSE\r\n\r\n", request()],
        [request(), b"NONSENSE\r\n\r\n", request()],
        [request(first=b"PUT /v1/models/iris:predict HTTP/1.1")] * 2,
        [request(first=b"POST /v1/models/iris:predict?a=b HTTP/1.1"), request()],
        [b"OPTIONS / HTTP/1.1\r\n\r\n", request()],
    ],
)
def test_tricks_are_answered_as_without_the_cache(chunks, later):
    told(AGAIN, AGAIN, chunks, [*AGAIN, *chunks, *AGAIN], [b"".join(chunks)], later=later)


PIECES = st.one_of(
    st.sampled_from(
        [
            request(),
            request(b'{"instances": [2]}'),
            request(b"x" * 18, b"Content-Length: 18", b"Connection: close"),
            request(b"", b"Content-Length: 18"),
            request(b"2\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
            request(request()),
            request(OTHER % 18),
            OTHER % 18,
            b"x" * 18,
            b"\r\n",
            b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST ",
        ]
    ),
    st.binary(max_size=20),
)


@thorough
@given(
    st.lists(
        st.tuples(st.lists(PIECES, min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=4)),
        max_size=4,
    ),
    st.booleans(),
)
@example([([request()], []), ([request(), request()], [])], True)
def test_any_row_of_pieces_is_answered_as_without_the_cache(connections_of, later):
    with silence():
        told(
            *(cut(b"".join(pieces), places) if places else pieces for pieces, places in connections_of),
            later=later,
        )


def test_a_real_server_answers_known_heads_with_their_own_bodies(echo):
    numbers = range(10, 60)
    with echo.connect() as connection:
        for number in numbers:
            connection.sendall(http(b'{"instances": [%d]}' % number))
            assert b'{"predictions":[%d]}' % number in connection.recv(4096)
