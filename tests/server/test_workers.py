"""Several workers behind one port: loaded once, evenly asked, replaced when they die, stopped together."""

import json
import os
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import sklearn

from .process import eventually, http, read_all
from .topics import Topic

WHO = """
    import os
    class Predict:
        def __init__(self):
            self.loaded_in = os.getpid()
        def predict(self, inputs):
            return [self.loaded_in, os.getpid()]
"""
HOLDS_A_SOCKET = "import socket\nHELD = socket.socket()\n"


def ask(server, *parts):
    """One prediction over a connection of its own."""
    return httpx.post(server.url("/v1/models/iris:predict"), json={"instances": [*parts]}, timeout=20)


def pids(server, count=12):
    answers = [ask(server, 1).raise_for_status().json()["predictions"] for _ in range(count)]
    return {loader for loader, _ in answers}, [answerer for _, answerer in answers]


def all_ready(server, count):
    server.ready()
    eventually(lambda: len(set(pids(server, 2 * count)[1])) == count)
    return server


def has_ended(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_a_script_is_loaded_once_and_served_by_all_in_turn(serve):
    server = all_ready(serve(WHO, WORKERS=3), 3)
    loaders, answerers = pids(server, 9)
    assert len(loaders) == 1
    assert not loaders & {*answerers, server.process.pid}
    assert sorted(answerers.count(pid) for pid in set(answerers)) == [3, 3, 3]
    assert server.terminate() == 0
    eventually(lambda: all(has_ended(pid) for pid in {*loaders, *answerers}))


@pytest.mark.parametrize(
    ("first_line", "why"),
    [
        (HOLDS_A_SOCKET, "keeps socket:"),
        (
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "a thread",
        ),
        ("import sys; sys.modules['torch'] = sys", "uses torch"),
        ("try:\n    import tensorflow\nexcept ImportError: pass", "imports tensorflow"),
        ("import sqlite3; DATABASE = sqlite3.connect(':memory:')", "SQLite"),
    ],
)
def test_what_does_not_survive_a_fork_is_loaded_by_each_worker(serve, first_line, why):
    server = all_ready(
        serve(first_line + "\n" + "\n".join(line[4:] for line in WHO.splitlines()), WORKERS=2), 2
    )
    loaders, answerers = pids(server)
    assert loaders == set(answerers)
    assert "Each worker loads the script itself: " in server.log
    assert why in server.log
    assert server.terminate() == 0


def test_openmp_used_while_loading_is_no_reason_to_hang(serve):
    """GNU OpenMP, used in a thread before a fork, waits in that thread's copy for threads that are not there."""
    library = next(Path(sklearn.__file__).parents[1].glob("scikit_learn.libs/libgomp*"))
    server = serve(
        f"""
        import ctypes
        region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        openmp = ctypes.CDLL({str(library)!r})
        class Predict:
            def __init__(self):
                openmp.GOMP_parallel(region, None, 4, 0)
            async def predict(self, inputs):
                openmp.GOMP_parallel(region, None, 4, 0)
                return inputs
        """,
        WORKERS=2,
    ).ready()
    assert [ask(server, n).json() for n in range(4)] == [{"predictions": [n]} for n in range(4)]
    assert "a library has threads of its own" in server.log


def test_a_library_with_a_pool_made_for_forks_is_forked(serve):
    server = serve(
        """
        import os
        import numpy as np
        LOADED_IN = os.getpid()
        SQUARE = np.eye(300) @ np.eye(300)
        class Predict:
            def predict(self, inputs):
                return [LOADED_IN, int((SQUARE @ SQUARE).sum())]
        """,
        WORKERS=2,
    ).ready()
    answers = [ask(server, 1).json()["predictions"] for _ in range(4)]
    assert {answer[1] for answer in answers} == {300}
    assert len({answer[0] for answer in answers}) == 1


def test_a_forked_worker_that_hangs_is_replaced_by_one_that_loads_itself(serve, tmp_path):
    example = tmp_path / "example.json"
    example.write_text("[[1]]")
    server = serve(
        """
        import os, threading
        LOADED_IN = os.getpid()
        class Predict:
            def predict(self, inputs):
                if os.getpid() != LOADED_IN:
                    threading.Event().wait()
                return [LOADED_IN, os.getpid()]
        """,
        WORKERS=2,
        INPUT_EXAMPLE=example,
        STUCK_SECONDS=1,
    )
    loaders, answerers = pids(all_ready(server, 2))
    assert loaders == set(answerers)
    assert "was not ready although the script was loaded: nothing was heard of it for 1 s" in server.log


@pytest.mark.parametrize("first_line", ["", HOLDS_A_SOCKET])
def test_a_killed_worker_is_replaced_and_no_connection_is_refused(serve, first_line):
    server = all_ready(serve(first_line + "\n".join(line[4:] for line in WHO.splitlines()), WORKERS=2), 2)
    before = set(pids(server)[1])
    statuses, errors, stop = set(), [], threading.Event()

    def call_again_and_again():
        while not stop.is_set():
            try:
                statuses.add(ask(server, 1).status_code)
            except httpx.HTTPError as error:
                errors.append(error)

    caller = threading.Thread(target=call_again_and_again)
    caller.start()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(set(pids(server)[1]) - {victim}) == 2)
    stop.set()
    caller.join()
    assert statuses == {200}
    # The one that the worker had begun to read when it was killed.
    assert len(errors) <= 1
    assert not any(isinstance(error, httpx.ConnectError) for error in errors)
    assert "by SIGKILL" in server.log


def test_connections_that_a_stopped_worker_did_not_take_go_to_another(serve):
    server = all_ready(serve(WHO, WORKERS=2), 2)
    first, second = sorted(set(pids(server)[1]))
    os.kill(first, signal.SIGSTOP)
    with_request = [server.connect() for _ in range(4)]
    for connection in with_request:
        connection.sendall(http(b'{"instances": [1]}', b"Connection: close"))
    os.kill(first, signal.SIGKILL)
    answers = [json.loads(read_all(connection).rpartition(b"\r\n\r\n")[2]) for connection in with_request]
    for connection in with_request:
        connection.close()
    assert first not in {answer["predictions"][1] for answer in answers}
    assert second in {answer["predictions"][1] for answer in answers}


def test_all_workers_are_summed_in_the_metrics_and_a_dead_one_still_counts(serve):
    server = all_ready(serve(WHO, WORKERS=2), 2)
    line = 'hopyard_requests_total{model="iris",verb="predict",status="200"}'
    base = server.metric(line)
    answerers = pids(server, 10)[1]
    for _ in range(4):
        assert httpx.get(server.url("/metrics")).text.count(line) == 1
        assert server.metric(line) == base + 10
    os.kill(answerers[0], signal.SIGKILL)
    eventually(lambda: len(set(pids(server, 4)[1]) - {answerers[0]}) == 2)
    assert server.metric(line) >= base + 10 + 4
    assert server.metric("hopyard_ready") == 1


def test_unloading_and_loading_happen_on_all_workers_and_on_those_to_come(serve):
    server = all_ready(serve(WHO, WORKERS=2), 2)
    victim = pids(server)[1][0]
    assert httpx.post(server.url("/v2/repository/models/iris/unload")).json() == {
        "name": "iris",
        "unload": True,
    }
    assert [ask(server, 1).status_code for _ in range(6)] == [503] * 6
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: server.log.count("is ready") == 3)
    assert [ask(server, 1).status_code for _ in range(6)] == [503] * 6
    assert httpx.post(server.url("/v2/repository/models/iris/load")).status_code == 200
    loaders, answerers = pids(server)
    assert loaders == set(answerers)
    assert len(loaders) == 2
    assert httpx.post(server.url("/v2/repository/models/rose/load")).status_code == 404


GATED = """
    import os, time
    class Predict:
        def predict(self, inputs):
            while not os.path.exists({gate!r}):
                time.sleep(0.01)
            return inputs
"""


def test_stopping_answers_what_is_in_flight_on_every_worker(serve, tmp_path):
    gate = tmp_path / "gate"
    server = serve(GATED.format(gate=str(gate)), WORKERS=2).ready()
    eventually(lambda: server.log.count("is ready") == 2)
    connections = [server.connect() for _ in range(4)]
    for connection in connections:
        connection.sendall(http())
    eventually(lambda: server.metric("hopyard_in_flight") == 4)
    server.client.close()
    os.kill(server.process.pid, signal.SIGTERM)
    eventually(lambda: httpx.get(server.url("/v2/health/ready")).status_code == 503)
    assert httpx.get(server.url("/v2/health/ready")).json()["reason"] == "The server is stopping."
    gate.touch()
    for connection in connections:
        assert b'{"predictions":[1]}' in read_all(connection)
        connection.close()
    assert server.process.wait(10) == 0


def test_a_second_signal_ends_all_processes_at_once(serve, tmp_path):
    server = serve(GATED.format(gate=str(tmp_path / "never")), WORKERS=2, DRAIN_SECONDS=60).ready()
    with server.connect() as connection:
        connection.sendall(http())
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        children = [int(pid) for pid in descendants(server.process.pid)]
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Stopping" in server.log)
        assert server.terminate() == 128 + signal.SIGTERM
    eventually(lambda: all(has_ended(pid) for pid in children))


@pytest.mark.parametrize("first_line", ["", HOLDS_A_SOCKET])
def test_the_workers_end_with_their_supervisor(serve, first_line):
    server = all_ready(serve(first_line + "\n".join(line[4:] for line in WHO.splitlines()), WORKERS=2), 2)
    children = descendants(server.process.pid)
    assert len(children) >= 2
    server.process.kill()
    eventually(lambda: all(has_ended(pid) for pid in children))


def descendants(pid):
    found = []
    with suppress(FileNotFoundError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in path.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (
            "class Predict:\n    def __init__(self):\n        raise ValueError('no weights')\n",
            "LoadFailed",
            "no weights",
        ),
        (HOLDS_A_SOCKET + "class Predict: pass\n", "MethodMissing", "Predict"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "Crashed", "SIGSEGV"),
        (
            HOLDS_A_SOCKET + "import os\nif os.path.exists('once'): os._exit(9)\nopen('once', 'w').close()\n"
            "class Predict:\n    def predict(self, inputs): return inputs\n",
            "Crashed",
            "exit code 9",
        ),
    ],
)
def test_a_script_that_cannot_be_loaded_fails_the_server(serve, script, code, words):
    server = serve(script, WORKERS=2)
    failure = server.failure()
    assert failure["code"] == code, server.log
    assert words in failure["reason"]


def test_an_example_that_cannot_be_predicted_fails_the_server(serve, tmp_path):
    example = tmp_path / "example.json"
    example.write_text("[[1]]")
    failure = serve(
        "class Predict:\n    def predict(self, inputs): raise ValueError('odd')\n",
        WORKERS=2,
        INPUT_EXAMPLE=example,
    ).failure()
    assert failure["code"] == "PredictFailed"
    assert "odd" in failure["reason"]


def test_a_taken_port_is_named(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failure = serve(WORKERS=2, PORT=taken.getsockname()[1]).failure()
    assert failure["code"] == "PortUnavailable"


def test_the_port_answers_while_the_script_is_loaded_and_a_hanging_one_can_be_stopped(serve):
    server = serve("import threading\nthreading.Event().wait()\n", WORKERS=2)
    assert server.get("/v2/health/live").status_code == 200
    assert server.get("/v2/health/ready").json()["reason"] == "The model is loading."
    assert server.predict(1).status_code == 503
    assert server.terminate() == 0


def test_the_shared_port_is_joined_when_a_worker_is_ready(serve, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    loading = tmp_path / "loading"
    script = f"import os, time\nwhile not os.path.exists({str(loading)!r}): time.sleep(0.01)\n" + "\n".join(
        line[4:] for line in WHO.splitlines()
    )
    server = serve(script, WORKERS=2, SHARED_PORT=port)
    assert server.get("/v2/health/live").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/v2/health/live")
    loading.touch()
    server.ready()
    assert httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    assert server.terminate() == 0


def test_the_shared_port_is_joined_later_where_a_file_has_to_be_there(serve, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path / "port"
    server = serve(WHO, WORKERS=2, SHARED_PORT=port, SHARED_FILE=file).ready()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/v2/health/live")
    file.touch()
    eventually(lambda: file.read_text() == "joined")
    assert httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    assert server.terminate() == 0


def test_class_arguments_reach_a_script_that_is_loaded_before_the_fork(serve):
    server = serve(
        """
        from mlrun.serving import V2ModelServer
        class Iris(V2ModelServer):
            def load(self):
                self.word = self.get_param("word")
            def predict(self, body):
                return [self.word]
        """,
        WORKERS=2,
        CLASS_ARGS='{"word": "said"}',
    ).ready()
    answer = httpx.post(server.url("/v2/models/iris/infer"), json={"inputs": [1]})
    assert answer.json()["outputs"] == ["said"], server.log


def test_the_port_of_grpc_alone_is_passed_on_as_well(serve):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = serve(WHO, WORKERS=2, GRPC_PORT=port).ready()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        assert connection.recv(9)[3] == 4  # its own settings come first
    assert server.terminate() == 0


def test_every_worker_logs_to_a_file_of_its_own_in_the_name_of_the_replica(serve, tmp_path):
    topic = Topic(tmp_path)
    server = all_ready(serve(WHO, WORKERS=2, **topic.settings), 2)
    pids(server, 6)
    assert server.terminate() == 0
    assert sorted(file.name for file in topic.folder.iterdir()) == ["r1-0.000001.log", "r1-1.000001.log"]
    assert {record["replica"] for record in topic.records} == {"r1"}


def test_a_script_that_starts_its_server_itself_is_forked_there_and_goes_on_when_it_stops(serve):
    server = serve(
        """
        import os, random
        from kserve import Model, ModelServer
        class Who(Model):
            def __init__(self, name):
                super().__init__(name)
                self.ready = True
                self.loaded_in = os.getpid()
            def predict(self, payload, headers=None):
                return {"predictions": [self.loaded_in, os.getpid()]}
        if __name__ == "__main__":
            ModelServer().start([Who("iris")])
            print("went on in", os.getpid())
        """,
        WORKERS=2,
    )
    loaders, answerers = pids(all_ready(server, 2))
    assert len(loaders) == 1
    assert len(set(answerers)) == 2
    assert server.terminate() == 0
    eventually(lambda: f"went on in {loaders.pop()}" in server.log)
    assert server.log.count("went on") == 1
