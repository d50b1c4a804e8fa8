"""Predictions through the platform's own address: what passes to a replica and back, and what does not."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from accounts.access import Access
from accounts.models import ApiKey, Project
from config.gateway import GatewayMiddleware
from models_registry.models import ModelVersion
from serving import services
from serving.models import Replica, Revision, Serving
from serving.settings import Settings
from serving.states import ReplicaState
from tests.client.scripted import Scripted, drops, running, says, says_raw
from tests.conftest import People

BASE = "/inference/garden/iris"
PREDICT = f"{BASE}/v1/models/iris:predict"
BINARY = bytes(range(256)) * 1000


@pytest.fixture
def replica() -> Iterator[Scripted]:
    script = Scripted()
    with running(script):
        yield script


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion], replica: Scripted) -> Serving:
    export()
    made, _ = services.create(access=owner, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
    address = replica.url.removeprefix("http://")
    Replica.objects.create(
        serving=made, name="r1-0-1", revision=1, slot=0, attempt=1, state=ReplicaState.READY, address=address
    )
    return made


@pytest.fixture
def caller(serving: Serving, people: People, key_of: Callable[..., Any]) -> Client:
    return Client(headers={"authorization": f"ApiKey {key_of(people.bob)[1]}"})


def in_pieces(*pieces: bytes, kind: str = "text/event-stream") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (*pieces, b""):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    return answer


def bare(status: int, body: bytes, *headers: tuple[str, str]) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with these headers and its length, and no others."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_a_callers_headers_reach_the_script_but_not_those_for_the_platform(
    caller: Client, replica: Scripted, serving: Serving
) -> None:
    replica.then(says(200, {}))
    passed = {
        "ce-id": "1",
        "ce-specversion": "1.0",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "mlrun-event-path": "/v2/models",
        "inference-header-content-length": "12",
        "x-of-mine": "räume",
        "accept-encoding": "br",
        "user-agent": "mine/1",
    }
    dropped = {
        "cookie": "sessionid=x",
        "x-api-key": "hop_x",
        "x-hopyard-internal": "guess",
        "x-hopyard-anything": "x",
        "expect": "100-continue,100-continue",
        "connection": "keep-alive, x-hop",
        "x-hop": "1",
        "te": "trailers",
        "proxy-authorization": "x",
        "upgrade": "websocket",
    }
    given = {**{k: v.encode().decode("latin-1") for k, v in passed.items()}, **dropped}
    answer = caller.post(
        PREDICT, b"{}", content_type="application/json", headers={**given, "x-request-id": "r-9"}
    )
    assert answer.status_code == 200
    got = {name.lower(): value for name, value in replica.requests[0].headers.items()}
    ours = {
        "host": replica.url.removeprefix("http://"),
        "content-length": "2",
        "content-type": "application/json",
        "x-request-id": "r-9",
        "x-hopyard-internal": serving.gateway_token,
        "x-hopyard-caller": got["x-hopyard-caller"],
    }
    assert got == {**{k: v.encode().decode("latin-1") for k, v in passed.items()}, **ours}
    assert got["x-hopyard-caller"].isalnum()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_every_method_passes_with_path_query_and_body(method: str, caller: Client, replica: Scripted) -> None:
    replica.then(says(207, {"so": method}))
    body = b"" if method == "GET" else b'{"a": 1}'
    path = "/v2/models/iris/op%3Fx%2Fy%20z%C3%A4?a=1&b=%20x&a=2"
    answer = caller.generic(method, BASE + path, body, content_type="application/json")
    assert (answer.status_code, answer.json()) == (207, {"so": method})
    (asked,) = replica.requests
    assert (asked.method, asked.body) == (method, body)
    assert asked.path == "/v2/models/iris/op%3Fx/y%20z%C3%A4?a=1&b=%20x&a=2"


def test_a_head_has_the_length_of_what_it_does_not_send(caller: Client, replica: Scripted) -> None:
    replica.then(says(200, {"long": "answer"}))
    answer = caller.head(f"{BASE}/v2/models/iris")
    assert (answer.status_code, answer.content, answer["Content-Length"]) == (200, b"", "18")
    assert replica.calls == ["HEAD /v2/models/iris"]


def test_a_method_that_nothing_answers_to_is_refused(caller: Client, replica: Scripted) -> None:
    assert caller.options(PREDICT).status_code == 405
    assert replica.requests == []


def test_bytes_and_encodings_pass_untouched_both_ways(caller: Client, replica: Scripted) -> None:
    encoded = {"Content_Encoding": "gzip", "Inference_Header_Content_Length": "9"}
    replica.then(says_raw(200, BINARY, "application/octet-stream", **encoded))
    answer = caller.post(
        PREDICT, BINARY, content_type="application/octet-stream", headers={"content-encoding": "zstd"}
    )
    assert answer.content == BINARY
    assert (answer["Content-Encoding"], answer["Inference-Header-Content-Length"]) == ("gzip", "9")
    assert answer["Content-Type"] == "application/octet-stream"
    (asked,) = replica.requests
    assert asked.body == BINARY
    assert asked.headers["content-encoding"] == "zstd"


@pytest.mark.parametrize("status", [200, 204, 302, 418, 500])
def test_an_answer_without_a_content_type_gets_none(status: int, caller: Client, replica: Scripted) -> None:
    replica.then(bare(status, b"", ("Location", "/elsewhere")))
    answer = caller.post(PREDICT, b"", content_type="")
    assert (answer.status_code, answer.content, answer["Location"]) == (status, b"", "/elsewhere")
    assert "Content-Type" not in answer
    assert "content-type" not in {name.lower() for name in replica.requests[0].headers}


def test_headers_of_an_answer_pass_but_cookies_for_the_platform_do_not(
    caller: Client, replica: Scripted
) -> None:
    replica.then(
        bare(200, b"{}", ("X-Twice", "a"), ("X-Twice", "b"), ("Set-Cookie", "sessionid=x"), ("Server", "me"))
    )
    replica.then(says(200, {}))
    answer = caller.get(f"{BASE}/v2/models/iris")
    assert answer["X-Twice"] == "a, b"
    assert not answer.cookies
    assert "Server" not in answer
    caller.get(f"{BASE}/v2/models/iris")
    assert "cookie" not in {name.lower() for name in replica.requests[1].headers}


def test_an_answer_of_unknown_length_is_passed_on_as_it_comes(caller: Client, replica: Scripted) -> None:
    replica.then(in_pieces(b"data: 1\n\n", b"data: 2\n\n"))
    answer = caller.post(PREDICT, b"{}", content_type="application/json")
    assert answer.streaming
    assert answer["Content-Type"] == "text/event-stream"
    assert list(answer) == [b"data: 1\n\n", b"data: 2\n\n"]


def test_a_stream_keeps_its_place_until_it_ends(
    caller: Client, replica: Scripted, settings: LazySettings
) -> None:
    settings.INFERENCES_AT_ONCE = 2  # half of it for one serving
    replica.then(in_pieces(b"1"), says(200, {}), in_pieces(b"1"), says(200, {}))

    def ask() -> Any:
        return caller.post(PREDICT, b"{}", content_type="application/json")

    for end in (lambda stream: stream.getvalue(), lambda stream: None):
        stream = ask()
        assert stream.streaming
        busy = ask()
        assert (busy.status_code, busy.json()["code"], busy["Retry-After"]) == (503, "Busy", "1")
        end(stream)
        stream.close()
        assert ask().status_code == 200


def test_a_replica_that_drops_the_request_is_asked_once_more(caller: Client, replica: Scripted) -> None:
    replica.then(drops, says(200, {"predictions": [1]}))
    assert caller.put(PREDICT, b"{}", content_type="application/json").json() == {"predictions": [1]}
    replica.then(drops, drops, says(200, {}))
    refused = caller.post(PREDICT, b"{}", content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (502, "NoReplica")
    assert len(replica.requests) == 4


def test_the_platforms_log_says_nothing_of_answers_that_are_no_faults_of_its_own(
    caller: Client, serving: Serving, replica: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    replica.on("POST", "/v1/models/iris:predict", says(500, {"error": "ValueError: a fault of the script"}))
    assert caller.post(PREDICT, "{}", content_type="application/json").status_code == 500
    Replica.objects.update(state=ReplicaState.STARTING)
    Serving.objects.update(wanted_replicas=1)
    answer = caller.post(PREDICT, "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (503, "Starting")
    assert caplog.text == ""


def test_replicas_that_are_gone_are_told_in_the_platforms_log(
    caller: Client, replica: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    Replica.objects.update(address="127.0.0.1:9")
    assert caller.post(PREDICT, "{}", content_type="application/json").status_code == 502
    assert "Bad Gateway" in caplog.text


def test_a_keys_limit_holds_for_each_second(caller: Client, replica: Scripted) -> None:
    ApiKey.objects.update(requests_per_second=2)
    replica.on("POST", "/v1/models/iris:predict", says(200, {}))
    answers = [caller.post(PREDICT, b"{}", content_type="application/json") for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 4  # the eight may fall into two seconds
    assert (refused[0]["Retry-After"], refused[0].json()["code"]) == ("1", "TooManyRequests")


def test_the_installations_limit_is_for_keys_without_one(
    caller: Client, replica: Scripted, settings: LazySettings
) -> None:
    settings.KEY_RATE_LIMIT = 1
    replica.on("POST", "/v1/models/iris:predict", says(200, {}))

    def refusals() -> int:
        answers = [caller.post(PREDICT, b"{}", content_type="application/json") for _ in range(5)]
        return sum(answer.status_code == 429 for answer in answers)

    assert refusals() >= 3
    ApiKey.objects.update(requests_per_second=1000)
    assert refusals() == 0


@pytest.mark.parametrize("host", ["iris.garden.example.test", "IRIS-Garden.example.test:8000"])
def test_a_host_below_the_domain_names_a_serving(
    host: str, caller: Client, replica: Scripted, settings: LazySettings
) -> None:
    settings.GATEWAY_DOMAIN = "example.test"
    settings.ALLOWED_HOSTS = [".example.test", "hop.example.test", "testserver"]
    replica.then(says(200, {"so": 1}))
    answer = caller.post(
        "/v1/models/iris:predict?a=1", b"{}", content_type="application/json", headers={"host": host}
    )
    assert answer.json() == {"so": 1}
    assert replica.calls == ["POST /v1/models/iris:predict?a=1"]
    missing = caller.post(
        "/v1/models/x", b"{}", headers={"host": "rose.garden.example.test"}, content_type="a/b"
    )
    assert (missing.status_code, missing.json()["code"]) == (404, "NotFound")
    assert caller.get("/health/", headers={"host": "hop.example.test"}).status_code == 200


def test_underscores_of_a_project_are_hyphens_in_a_host(
    caller: Client, replica: Scripted, settings: LazySettings
) -> None:
    settings.GATEWAY_DOMAIN = "example.test"
    settings.ALLOWED_HOSTS = [".example.test"]
    Project.objects.filter(name="garden").update(name="gar_den")
    replica.then(says(200, {}), says(200, {}))
    for host in ("iris.gar-den.example.test", "iris-gar-den.example.test"):
        assert caller.get("/v2/models/iris", headers={"host": host}).status_code == 200


def test_a_canary_gets_exactly_its_part(
    caller: Client, serving: Serving, replica: Scripted, settings: LazySettings
) -> None:
    canary = Scripted()
    for each in (replica, canary):
        each.on("POST", "/v1/models/iris:predict", says(200, {}))
    with running(canary):
        copy = Revision.objects.get(serving=serving)
        copy.pk, copy.number = None, 2
        copy.save()
        Serving.objects.update(canary=copy, canary_percent=25)
        Replica.objects.create(
            serving=serving,
            name="r2-0-1",
            revision=2,
            slot=0,
            attempt=1,
            state=ReplicaState.READY,
            address=canary.url.removeprefix("http://"),
        )
        for _ in range(100):
            assert caller.post(PREDICT, b"{}", content_type="application/json").status_code == 200
        assert (len(replica.requests), len(canary.requests)) == (75, 25)


def test_behind_a_gateway_its_last_word_on_the_webs_socket_is_the_callers_address(
    rf: RequestFactory, settings: LazySettings
) -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    passed = "6.6.6.6, 10.1.2.3"
    for settings.BEHIND_GATEWAY in (False, True):
        for peer in ("", "172.18.0.9"):  # the socket, and the address at which replicas reach the web
            GatewayMiddleware(view)(rf.get("/", HTTP_X_FORWARDED_FOR=passed, REMOTE_ADDR=peer))
    assert seen == ["", "172.18.0.9", "10.1.2.3", "172.18.0.9"]
