"""Many senders of one file or upload at once, against the web server as it runs: several processes, many threads."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.conftest import ROOT
from tests.ports import free_port
from tests.waiting import eventually

FIRST_STEPS = """
from accounts import access, installation, services
from accounts.models import Member, Scope
installation.first_time()
member = Member.objects.select_related("project", "user").get()
scopes = [Scope.READ, Scope.WRITE]
print(services.create_key(access=access.of_member(member, None), name="test", scopes=scopes)[1])
"""
CHUNK = 50_000
BYTES = random.Random(4).randbytes(8 * CHUNK - 7)
CHUNKS = [BYTES[start : start + CHUNK] for start in range(0, len(BYTES), CHUNK)]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a web server with data of its own."""
    bind = f"127.0.0.1:{free_port()}"
    data = {"HOPYARD_DATA_DIR": str(tmp_path_factory.mktemp("data")), "HOPYARD_BIND": bind}
    environment = {**os.environ, **data, "HOPYARD_BROKER_URL": "memory://"}

    def manage(*words: str) -> str:
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    manage("migrate", "--verbosity", "0")
    key = manage("shell", "--verbosity", "0", "-c", FIRST_STEPS).splitlines()[-1]
    words = ["--bind", bind, "--worker-class", "gthread", "--workers", "2", "--threads", "8"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", *words], cwd=ROOT, env=environment
    )
    url = f"http://{bind}/api/projects/demo/"
    with httpx.Client(base_url=url, headers={"Authorization": f"ApiKey {key}"}, timeout=60) as client:
        eventually(lambda: answers(client))
        yield client
    server.terminate()
    server.wait(30)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("models/").is_success
    except httpx.HTTPError:
        return False


def begin(web: httpx.Client, path: str, size: int, chunk_bytes: int) -> str:
    said = {"path": f"Resources/{path}", "size": size, "chunk_bytes": chunk_bytes}
    return str(web.post("incoming/", json=said).json()["id"])


def put(web: httpx.Client, file: str, number: int, data: bytes) -> int:
    headers = {"X-Content-SHA256": digest(data)}
    return web.put(f"incoming/{file}/chunks/{number}/", content=data, headers=headers).status_code


def complete(web: httpx.Client, file: str) -> httpx.Response:
    return web.post(f"incoming/{file}/complete/")


def test_every_chunk_twice_and_all_of_them_at_once(web: httpx.Client) -> None:
    file = begin(web, "twice", len(BYTES), CHUNK)
    numbers = list(range(len(CHUNKS))) * 2
    random.Random(7).shuffle(numbers)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: put(web, file, number, CHUNKS[number]), numbers)) == {204}
    assert complete(web, file).json()["files"][0]["sha256"] == digest(BYTES)


def test_of_those_that_send_other_bytes_for_a_chunk_one_wins_whole(web: httpx.Client) -> None:
    size = 2_000_000
    file = begin(web, "one", size, size)
    data = [bytes([letter]) * size for letter in b"abcd"]
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda each: put(web, file, 0, each), data)) == [204, 409, 409, 409]
    assert complete(web, file).json()["files"][0]["sha256"] in {digest(each) for each in data}


def test_a_file_is_completed_once(web: httpx.Client) -> None:
    file = begin(web, "once", len(BYTES), CHUNK)
    for number, data in enumerate(CHUNKS):
        put(web, file, number, data)
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: complete(web, file), range(4)))
    assert statuses == [201, 404, 404, 404]
    assert put(web, file, 0, CHUNKS[0]) == 404


def test_a_file_that_is_begun_twice_at_once_can_be_finished(web: httpx.Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(lambda _: begin(web, "begun", 10, 10), range(4)))
    for file in files:
        assert put(web, file, 0, b"0123456789") == 204
        assert complete(web, file).status_code == 201


def test_a_dropped_file_takes_no_chunk_that_was_under_way(web: httpx.Client) -> None:
    file = begin(web, "dropped", len(BYTES), CHUNK)
    with ThreadPoolExecutor(5) as pool:
        sent = [pool.submit(put, web, file, number, data) for number, data in enumerate(CHUNKS)]
        dropped = pool.submit(web.delete, f"incoming/{file}/")
        assert dropped.result().status_code == 204
        assert {each.result() for each in sent} <= {204, 404}
    assert web.get(f"incoming/{file}/").status_code == 404


def test_an_upload_is_finished_or_discarded_and_never_both(web: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            upload = f"uploads/{web.post('models/iris/uploads/', json={}).json()['id']}/"
            assert web.put(f"{upload}files/a", content=b"a").status_code == 201
            asked = [pool.submit(web.post, f"{upload}finalise/"), pool.submit(web.delete, upload)]
            finished, discarded = (each.result() for each in asked)
            assert (finished.status_code, discarded.status_code) in {(201, 404), (404, 204)}
            if finished.is_success:
                number = finished.json()["version"]
                assert web.get(f"models/iris/versions/{number}/files/a").content == b"a"
