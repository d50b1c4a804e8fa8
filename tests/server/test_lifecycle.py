"""Starting, sharing a port, and leaving without losing a request."""

import signal
import threading

import httpx
import pytest

from tests import ports

from .process import eventually, http, read_all

GATED = """
    import os, time
    class Predict:
        def predict(self, inputs):
            while not os.path.exists({gate!r}):
                time.sleep(0.01)
            return inputs
"""


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


@pytest.fixture
def free_port():
    return ports.free_port()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_an_idle_server_with_success(serve, number):
    server = serve().ready()
    server.client.close()
    server.process.send_signal(number)
    assert server.process.wait(10) == 0
    assert not server.termination_file.exists()


def test_stopping_answers_what_is_in_flight(serve, gate):
    server = serve(GATED.format(gate=str(gate))).ready()
    with server.connect() as connection:
        connection.sendall(http(b'{"instances": [1]}') + http(b'{"instances": [2]}'))
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: server.get("/v2/health/ready").status_code == 503)
        health = server.get("/v2/health/ready")
        assert health.json()["reason"] == "The server is stopping."
        assert health.headers["connection"] == "close"
        gate.touch()
        assert b'{"predictions":[1]}' in read_all(connection)
    assert server.process.wait(10) == 0


def test_stopping_gives_up_after_the_drain_time(serve, gate):
    server = serve(GATED.format(gate=str(gate)), DRAIN_SECONDS=0.2).ready()
    with server.connect() as connection:
        connection.sendall(http())
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        assert server.terminate() == 0


def test_a_second_signal_ends_the_process_at_once(serve, gate):
    server = serve(GATED.format(gate=str(gate)), DRAIN_SECONDS=60).ready()
    with server.connect() as connection:
        connection.sendall(http())
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Stopping" in server.log)
        assert server.terminate() == 128 + signal.SIGTERM


def test_a_server_that_is_still_loading_can_be_stopped(serve):
    server = serve("import threading\nthreading.Event().wait()\n")
    assert server.get("/v2/health/live").status_code == 200
    assert server.terminate() == 0


def test_the_shared_port_is_joined_only_when_ready(serve, tmp_path, free_port):
    loading = tmp_path / "loading"
    script = f"""
        import os, time
        while not os.path.exists({str(loading)!r}):
            time.sleep(0.01)
        class Predict:
            def predict(self, inputs): return inputs
    """
    server = serve(script, SHARED_PORT=free_port)
    assert server.get("/v2/health/live").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{free_port}/v2/health/live")
    loading.touch()
    server.ready()
    assert httpx.get(f"http://127.0.0.1:{free_port}/v2/health/live").status_code == 200


def test_the_shared_port_is_joined_later_where_a_file_has_to_be_there(serve, tmp_path, free_port):
    file = tmp_path / "port"
    serve(SHARED_PORT=free_port, SHARED_FILE=file).ready()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{free_port}/v2/health/live")
    file.touch()
    eventually(lambda: file.read_text() == "joined")
    assert httpx.get(f"http://127.0.0.1:{free_port}/v2/health/live").status_code == 200


def test_a_server_that_waits_for_that_file_can_be_stopped(serve, tmp_path, free_port):
    server = serve(SHARED_PORT=free_port, SHARED_FILE=tmp_path / "port").ready()
    assert server.terminate() == 0


def test_replicas_share_a_port_and_one_leaves_without_losing_a_request(serve, free_port):
    script = "import os\nclass Predict:\n    def predict(self, inputs):\n        return os.getpid()\n"
    servers = [serve(script, SHARED_PORT=free_port).ready() for _ in range(2)]
    url = f"http://127.0.0.1:{free_port}/v1/models/iris:predict"
    seen, errors, stop = [], [], threading.Event()

    def call_again_and_again():
        while not stop.is_set():
            try:
                seen.append(httpx.post(url, json={"instances": [1]}).raise_for_status().json()["predictions"])
            except httpx.HTTPError as error:
                errors.append(error)

    caller = threading.Thread(target=call_again_and_again)
    caller.start()
    eventually(lambda: len(set(seen)) == 2)
    assert servers[0].terminate() == 0
    count = len(seen)
    eventually(lambda: len(seen) > count + 20)
    stop.set()
    caller.join()
    assert errors == []
    assert set(seen[count + 5 :]) == {servers[1].process.pid}


def test_the_files_of_the_artifact_are_known_to_the_script(serve, tmp_path):
    script = """
        import os
        class Predict:
            def predict(self, inputs):
                return os.environ["ARTIFACT_FILES_PATH"]
    """
    server = serve(script, ARTIFACT_DIR=tmp_path).ready()
    assert server.predict(1).json() == {"predictions": str(tmp_path)}
