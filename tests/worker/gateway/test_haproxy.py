"""What a real HAProxy does with real replicas: routing, keys, limits, and that nothing is lost when they change."""

import hashlib
import ssl
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts import services as accounts
from accounts.models import ApiKey, Scope
from serving import traffic
from serving.models import Revision, Serving
from tests.conftest import People
from tests.ports import free_port
from tests.waiting import eventually
from tests.worker.gateway.conftest import Field, HAProxy
from tests.worker.gateway.load import Load, under
from worker import tasks
from worker.gateway import maps, publishing

pytestmark = pytest.mark.django_db(transaction=True)
PREDICT = "/v1/models/iris:predict"
ENOUGH = 3000


@pytest.fixture
def key(people: People, key_of: Callable[..., tuple[ApiKey, str]]) -> str:
    return key_of(people.bob)[1]


@pytest.fixture
def ask(started: HAProxy, http: httpx.Client, key: str) -> Callable[..., httpx.Response]:
    """A prediction of the serving iris through HAProxy."""

    def send(body: bytes = b"{}", path: str = PREDICT, **headers: str) -> httpx.Response:
        given = {"Authorization": f"ApiKey {key}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return http.post(f"{started.url}/inference/garden/iris{path}", content=body, headers=given)

    return send


def test_a_replica_gets_the_platforms_word_and_never_the_callers(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response]
) -> None:
    iris = plant("r1-0-1")
    publishing.publish_keys()
    given = {
        "Cookie": "sessionid=x",
        "X_Hopyard_Internal": "guess",
        "X_Hopyard_Caller": "me",
        "X_Hopyard_Else": "x",
        "X_API_Key": "hop_y",
        "X_Request_Id": "not sane!",
        "X_Of_Mine": "1",
    }
    answer = ask(**given)
    got = answer.json()["headers"]
    assert got["x-hopyard-internal"] == iris.serving.gateway_token
    assert got["x-hopyard-caller"].isalnum()
    assert got["x-of-mine"] == "1"
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert len(got["x-request-id"]) == 36
    assert answer.headers["x-request-id"] == got["x-request-id"]
    assert not got.keys() & {"cookie", "authorization", "x-api-key", "x-hopyard-else"}
    assert not answer.cookies


def test_a_revoked_key_is_refused_within_five_seconds_and_a_new_one_is_known(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], people: People, started: HAProxy
) -> None:
    plant("r1-0-1")
    assert ask().status_code == 401
    tasks.publish_keys(people.project.pk)
    workers = started.workers()
    assert ask().status_code == 200
    new, text = accounts.create_key(access=people.access(people.vera), name="x", scopes=[Scope.PREDICT])
    tasks.publish_keys(people.project.pk)
    assert ask(Authorization=f"Bearer {text}").status_code == 200
    accounts.revoke_key(access=people.access(people.alice), key_id=new.pk)
    tasks.publish_keys(people.project.pk)
    assert ask(Authorization=f"Bearer {text}").status_code == 401
    assert started.workers() == workers  # told, not reloaded


def test_a_key_expires_without_anybody_telling(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response]
) -> None:
    plant("r1-0-1")
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(seconds=2))
    publishing.publish_keys()
    assert ask().status_code == 200
    eventually(lambda: ask().status_code == 401, seconds=5, what="the end of the key")


def test_many_keys_are_taken_over_at_once(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], people: People, started: HAProxy
) -> None:
    plant("r1-0-1")
    rows = [
        ApiKey(
            id=f"k{n:011}", project=people.project, user=people.bob, digest=f"{n:064x}", scopes=["predict"]
        )
        for n in range(2000)
    ]
    ApiKey.objects.bulk_create(rows)
    publishing.publish_keys()
    assert len(started.runtime.map(maps.KEYS)) == 2001
    assert ask().status_code == 200


def test_a_keys_limit_is_kept_to_and_others_are_not_counted(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], started: HAProxy
) -> None:
    plant("r1-0-1")
    publishing.publish_keys()
    assert {ask().status_code for _ in range(30)} == {200}
    assert "used:0" in started.runtime.ask("show table limits")
    ApiKey.objects.update(requests_per_second=5)
    publishing.publish_keys()
    answers = [ask() for _ in range(30)]
    assert 5 <= sum(answer.status_code == 200 for answer in answers) <= 12
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["code"] == "TooManyRequests"
    assert "5 requests per second" in refused.json()["error"]
    eventually(lambda: ask().status_code == 200, what="another second")


@pytest.mark.parametrize("size", [100, 16_000, 70_000, 3_000_000])
def test_bodies_of_every_size_arrive_whole(
    size: int, plant: Callable[..., Field], ask: Callable[..., httpx.Response]
) -> None:
    plant("r1-0-1")
    publishing.publish_keys()
    body = bytes(range(256)) * (size // 256 + 1)
    for given in (body, iter([body[:10], body[10:]])):
        said = ask(given).json()
        assert (said["length"], said["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], settings: LazySettings
) -> None:
    settings.MAX_INFERENCE_BYTES = 1024 * 1024
    plant("r1-0-1")
    publishing.publish_keys()
    answer = ask(bytes(settings.MAX_INFERENCE_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "TooLarge")
    assert answer.json()["error"] == "A request may have at most 1 MB."


def test_a_replicas_own_failure_reaches_the_caller_once(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], started: HAProxy
) -> None:
    plant("r1-0-1", "r1-1-1")
    publishing.publish_keys()
    for status in (500, 502, 503, 504):
        assert ask(path=f"/status/{status}").json()["path"] == f"/status/{status}"
    assert _sum(started, "wretr") == 0


def test_a_replica_that_takes_too_long_is_given_up_and_not_asked_again(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], started: HAProxy, settings: LazySettings
) -> None:
    settings.INFERENCE_TIMEOUT_SECONDS = 1
    plant("r1-0-1", "r1-1-1")
    publishing.publish_keys()
    late = ask(path="/slow/30")
    assert (late.status_code, late.json()["code"]) == (504, "TimedOut")
    assert late.json()["error"] == "iris did not answer within 1 s."
    assert _sum(started, "wretr") == 0


def test_killing_a_replica_costs_no_caller_an_answer(
    plant: Callable[..., Field], started: HAProxy, key: str
) -> None:
    iris = plant("r1-0-1", "r1-1-1", "r1-2-1")
    publishing.publish_keys()
    with under(Load(started.port, f"{iris.path}{PREDICT}", key)) as load:
        eventually(lambda: load.right > ENOUGH)
        iris.kill("r1-1-1")
        reached = load.right
        eventually(lambda: load.right > reached + ENOUGH)
    assert load.wrong == []
    assert set(load.by_replica) == {"r1-0-1", "r1-1-1", "r1-2-1"}


def test_replicas_come_and_go_under_load_without_a_reload_or_a_lost_answer(
    plant: Callable[..., Field], started: HAProxy, key: str
) -> None:
    iris = plant("r1-0-1")
    publishing.publish_keys()
    workers = started.workers()
    with under(Load(started.port, f"{iris.path}{PREDICT}", key)) as load:
        for number in range(1, 6):
            iris.grow(f"r1-{number}-1")
            iris.publish()
            eventually(lambda number=number: load.by_replica[f"r1-{number}-1"] > 100)
            old = f"r1-{number - 1}-1"
            iris.leave(old)
            before = load.by_replica[old]
            reached = load.right
            eventually(lambda reached=reached: load.right > reached + 500)
            assert load.by_replica[old] <= before + 32  # what was under way
            iris.kill(old)
            iris.publish()
    assert load.wrong == []
    assert started.workers() == workers

    def only_the_last() -> bool:
        iris.publish()
        servers = started.runtime.servers(["garden.iris", "garden.iris.grpc"])
        return all(set(found) == {"r1-5-1"} for found in servers.values())

    eventually(only_the_last, what="the end of the drained servers")


def test_a_leaving_replica_finishes_what_it_has(
    plant: Callable[..., Field], started: HAProxy, key: str
) -> None:
    iris = plant("r1-0-1", "r1-1-1")
    publishing.publish_keys()
    slow = Load(started.port, f"{iris.path}/slow/1.5", key, most=8)
    with under(slow, connections=8):
        eventually(lambda: _current(started) == 8, what="eight requests under way")
        iris.leave("r1-1-1")
        eventually(lambda: slow.right == 8)
    assert slow.wrong == []
    assert slow.by_replica["r1-1-1"] == 4


def test_reloads_under_load_lose_nothing(plant: Callable[..., Field], started: HAProxy, key: str) -> None:
    iris = plant("r1-0-1", "r1-1-1")
    publishing.publish_keys()
    workers = started.workers()
    page = f"{started.url}/health/"
    with (
        under(Load(started.port, f"{iris.path}{PREDICT}", key)) as load,
        httpx.Client(trust_env=False) as browser,
    ):
        for name in ("rose", "tulip", "daisy"):
            assert browser.get(page).status_code == 200
            plant("r1-0-1", name=name)
            assert browser.get(page).status_code == 200  # on a connection of the worker that is stopping
            reached = load.right
            eventually(lambda reached=reached: load.right > reached + 1000)
    assert load.wrong == []
    assert started.workers() != workers


def test_a_restarted_gateway_knows_everything_at_once(
    plant: Callable[..., Field], ask: Callable[..., httpx.Response], started: HAProxy
) -> None:
    iris = plant("r1-0-1")
    publishing.publish_keys()
    iris.grow("r1-1-1")
    iris.publish()
    started.stop()
    iris.grow("r1-2-1")
    iris.publish()  # nobody listens, and nothing is raised
    new, _ = ApiKey.objects.all()[0], publishing.publish_keys()
    started.start()
    assert {ask().json()["replica"] for _ in range(30)} == {"r1-0-1", "r1-1-1", "r1-2-1"}
    assert new.pk == ask().json()["headers"]["x-hopyard-caller"]


def test_what_a_running_gateway_was_not_told_is_mended_by_the_next_call(
    plant: Callable[..., Field], started: HAProxy, ask: Callable[..., httpx.Response]
) -> None:
    iris = plant("r1-0-1", "r1-1-1")
    publishing.publish_keys()
    started.runtime.tell("set server garden.iris/r1-0-1 state maint")
    started.runtime.tell("del server garden.iris/r1-0-1")
    started.runtime.tell("set server garden.iris/r1-1-1 state maint")
    iris.publish()
    assert {ask().json()["replica"] for _ in range(20)} == {"r1-0-1", "r1-1-1"}


def test_a_refused_configuration_leaves_the_old_one_at_work(
    plant: Callable[..., Field],
    started: HAProxy,
    ask: Callable[..., httpx.Response],
    settings: LazySettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    iris = plant("r1-0-1")
    publishing.publish_keys()
    workers = started.workers()
    settings.GATEWAY_TLS_BIND = f"127.0.0.1:{free_port()}"
    settings.GATEWAY_CERTIFICATE = "/nowhere/certificate.pem"
    iris.grow("r1-1-1")
    iris.publish()
    assert "HAProxy refuses its configuration" in caplog.text
    assert started.workers() == workers
    assert {ask().json()["replica"] for _ in range(20)} == {"r1-0-1", "r1-1-1"}
    started.stop()
    started.start()
    assert ask().status_code == 200
    settings.GATEWAY_CERTIFICATE = ""
    iris.publish()
    assert {ask().json()["replica"] for _ in range(20)} == {"r1-0-1", "r1-1-1"}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_canary_gets_its_percentage_of_ten_thousand_requests(
    threads: int, plant: Callable[..., Field], haproxy: HAProxy, key: str, settings: LazySettings
) -> None:
    settings.GATEWAY_THREADS = threads
    publishing.prepare()
    haproxy.start()
    iris = plant("r1-0-1", "r1-1-1")
    publishing.publish_keys()
    canary = _canary(iris.serving)
    iris.grow("r2-0-1", revision=canary.number)
    workers = None
    for percent in (10, 37):
        Serving.objects.filter(pk=iris.serving.pk).update(
            canary=canary, canary_percent=percent, good_revision=1
        )
        iris.publish()
        workers = workers or haproxy.workers()
        load = Load(haproxy.port, f"{iris.path}{PREDICT}", key, most=10_000)
        load.run(connections=16)
        assert load.wrong == []
        assert load.by_replica["r2-0-1"] / load.right * 100 == pytest.approx(percent, abs=0.1)
    assert haproxy.workers() == workers
    iris.kill("r2-0-1")
    load = Load(haproxy.port, f"{iris.path}{PREDICT}", key, most=2000)
    load.run(connections=16)
    assert load.wrong == []


def _canary(serving: Serving) -> Revision:
    """A second revision, as an edit makes it."""
    copy = Revision.objects.get(serving=serving)
    copy.pk, copy.number = None, 2
    copy.save()
    return copy


def test_a_port_of_its_own_asks_for_the_same_keys(
    plant: Callable[..., Field], started: HAProxy, http: httpx.Client, key: str
) -> None:
    iris = plant("r1-0-1")
    iris.serving.replicas.update(deployer="docker")
    Revision.objects.update(deployer="docker")
    iris.publish()
    publishing.publish_keys()
    url = f"http://127.0.0.1:{iris.serving.port}{PREDICT}"
    answer = http.post(url, content=b"{}", headers={"X-API-Key": key})
    assert (answer.status_code, answer.json()["path"]) == (200, PREDICT)
    assert http.post(url, content=b"{}").status_code == 401
    iris.leave("r1-0-1")
    none = http.post(url, content=b"{}", headers={"X-API-Key": key})
    assert (none.status_code, none.json()["code"]) == (503, "Starting")


def test_a_deleted_serving_leaves_the_gateway(
    plant: Callable[..., Field], started: HAProxy, ask: Callable[..., httpx.Response]
) -> None:
    iris = plant("r1-0-1")
    publishing.publish_keys()
    assert ask().status_code == 200
    publishing.withdraw(iris.serving)
    assert maps.read((started.folder / maps.SERVINGS).read_text()) == {}
    assert "garden.iris" not in started.runtime.ask("show backend")


def test_pages_and_the_api_pass_to_the_web(started: HAProxy, http: httpx.Client) -> None:
    assert http.get(f"{started.url}/health/").status_code == 200
    assert http.get(f"{started.url}/sign-in/").status_code == 200
    assert http.get(f"{started.url}/api/me/").status_code in {401, 403}


def test_prometheus_finds_the_figures_of_a_serving(
    plant: Callable[..., Field],
    ask: Callable[..., httpx.Response],
    http: httpx.Client,
    settings: LazySettings,
) -> None:
    plant("r1-0-1")
    publishing.publish_keys()
    ask()
    text = http.get(f"http://{settings.GATEWAY_STATS_BIND}/metrics").text
    assert 'haproxy_backend_http_responses_total{proxy="garden.iris",code="2xx"} 1' in text


def _sum(haproxy: HAProxy, column: str) -> int:
    """Of a column of the statistics over the backends of servings."""
    names, *rows = haproxy.runtime.ask("show stat").strip().splitlines()
    place = names.lstrip("# ").split(",").index(column)
    found = [row.split(",") for row in rows if row.startswith("garden.")]
    return sum(int(row[place] or 0) for row in found if row[1] == "BACKEND")


def _current(haproxy: HAProxy) -> int:
    return _sum(haproxy, "scur")


def test_the_counter_and_the_rule_of_the_view_agree() -> None:
    for percent in (1, 10, 37, 50, 99):
        assert sum(traffic.chooses_canary(number, percent) for number in range(1, 10_001)) == percent * 100


def test_with_a_certificate_tls_is_answered_and_a_renewed_one_taken_over(
    plant: Callable[..., Field], started: HAProxy, key: str, tmp_path: Path, settings: LazySettings
) -> None:
    iris = plant("r1-0-1")
    publishing.publish_keys()
    file, port = tmp_path / "certificate.pem", free_port()
    settings.GATEWAY_CERTIFICATE, settings.GATEWAY_TLS_BIND = str(file), f"127.0.0.1:{port}"
    seen = set()
    for _ in range(2):
        file.write_bytes(_certificate(tmp_path))
        iris.publish()
        seen.add(ssl.get_server_certificate(("127.0.0.1", port)))
        with httpx.Client(trust_env=False, verify=ssl.create_default_context(cafile=str(file))) as client:
            url = f"https://localhost:{port}{iris.path}{PREDICT}"
            answer = client.post(url, content=b"{}", headers={"Authorization": f"ApiKey {key}"})
        assert answer.json()["headers"]["x-forwarded-proto"] == "https"
    assert len(seen) == 2


def _certificate(folder: Path) -> bytes:
    """A key and a certificate for localhost that it signed itself."""
    name, key, made = "/CN=localhost", folder / "key.pem", folder / "made.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", name]
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command, *more], check=True, capture_output=True)
    return made.read_bytes() + key.read_bytes()
