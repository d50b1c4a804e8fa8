"""What a look at a replica tells of its inference log."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from worker.log_counts import noted
from worker.probe import probe

NOW = datetime(2026, 5, 1, tzinfo=UTC)
COUNTS = {"sent": 5, "spilled": 1, "dropped": 0, "waiting": 2}


@pytest.fixture
def replica() -> Iterator["Replica"]:
    with Replica() as running:
        yield running


class Replica:
    """A model server that says what a test wants it to say of itself."""

    says: Any = None
    status = 200

    def __enter__(self) -> "Replica":
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(told.says).encode()
                self.send_response(told.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_ready_replica_says_what_became_of_its_records(replica: Replica) -> None:
    replica.says = {"ready": True, "inference_log": COUNTS}
    answer = probe([replica.address])[replica.address]
    assert answer.is_ready
    assert answer.log_counts == COUNTS


def test_so_does_one_that_is_not_ready(replica: Replica) -> None:
    replica.says, replica.status = {"reason": "busy", "inference_log": COUNTS}, 503
    answer = probe([replica.address])[replica.address]
    assert (answer.is_ready, answer.reason, answer.log_counts) == (False, "busy", COUNTS)


@pytest.mark.parametrize("log", [None, [], "sent", {"sent": "5"}, {"sent": -1}, {"sent": True, "other": 7}])
def test_what_is_no_count_is_left_out(replica: Replica, log: Any) -> None:
    replica.says = {"ready": True, "inference_log": log}
    assert probe([replica.address])[replica.address].log_counts == {}


def test_counts_are_noted_when_they_are_news_and_not_all_the_time() -> None:
    first = noted({}, COUNTS, NOW)
    assert first == COUNTS | {"at": round(NOW.timestamp())}
    more = COUNTS | {"sent": 9}
    assert noted(first, more, NOW + timedelta(seconds=9)) == first
    later = NOW + timedelta(seconds=11)
    assert noted(first, COUNTS, later) == first
    assert noted(first, {}, later) == first
    assert noted(first, more, later) == more | {"at": round(later.timestamp())}
