"""The log of a server keeps what it was given, and says little, whatever becomes of its shippers."""

import asyncio
import sys
import time
from http import HTTPStatus

import pytest

from hopyard.server.config import Config
from hopyard.server.inference_log import keeping, link, window
from hopyard.server.inference_log.log import BATCH_RECORDS, InferenceLog
from hopyard.server.inference_log.shipping.intake import BAD_SETTINGS

from ..topics import TOPIC, Topic

STARTED_AGAIN = "it is started again"
# Fails at first, and is a shipper from the second time on.
FAILS_ONCE = """
import os, pathlib, sys
if not pathlib.Path(sys.argv[1]).exists():
    pathlib.Path(sys.argv[1]).touch()
    sys.exit(3)
os.execv(sys.executable, [sys.executable, "-P", "-m", "hopyard.server.inference_log.shipping"])
"""


class Sentence(str):
    """A text of a script's own class, which marshal does not know."""


def record(name, status=200, error=None):
    return (1.0, status, name, "v1", "predict", 0.1, 0.0, -1.0, 0.1, -1.0, b"{}", b"{}", error, None, None)


def use(tmp_path, act, seconds=10):
    """Let `act` use the log of a running loop, and return its counts once it was closed."""
    settings = Config(
        topic=TOPIC, topic_dir=tmp_path / "topics", topic_subject="inferenceschema", replica="r1"
    )

    async def run():
        log = InferenceLog(settings, writer="r1")
        await act(log)
        await log.close(seconds)
        return log.counts

    return asyncio.run(run())


async def until(claim):
    deadline = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_statuses_and_sentences_of_a_scripts_own_types_are_passed_on(tmp_path, caplog):
    async def act(log):
        log.start()
        for number in range(250):
            log.put(record(b"%d" % number, HTTPStatus.IM_A_TEAPOT, Sentence("no")), 4)

    counts = use(tmp_path, act)
    assert (counts["sent"], counts["dropped"]) == (250, 0)
    first = Topic(tmp_path).records[0]
    assert (first["responseHttpCode"], first["error"]) == (418, "no")
    assert "cannot be passed on" not in caplog.text


def test_what_cannot_be_passed_on_is_said_once(tmp_path, caplog):
    async def act(log):
        log.start()
        for number in range(300):
            log.put(record(b"%d" % number, error=object() if number % 2 else None), 4)

    counts = use(tmp_path, act)
    assert (counts["sent"], counts["dropped"]) == (150, 150)
    assert caplog.text.count("cannot be passed on") == 1


def test_a_full_window_is_said_once_a_minute_though_now_and_then_there_is_room(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(window, "MAX_RECORDS", BATCH_RECORDS)

    async def act(log):
        for number in range(1, 50):
            for _ in range(2 * BATCH_RECORDS):
                log.put(record(b"1"), 4)
            log._window.remove(number)

    counts = use(tmp_path, act)
    assert counts["dropped"] == 49 * BATCH_RECORDS
    assert caplog.text.count("those that find no room are dropped") == 1


def test_an_end_between_two_shippers_loses_nothing(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(link, "COMMAND", (sys.executable, "-c", FAILS_ONCE, str(tmp_path / "failed")))
    monkeypatch.setattr(keeping, "LONGEST_PAUSE", 600.0)
    monkeypatch.setattr(keeping, "FIRST_PAUSE", 600.0)

    async def act(log):
        log.put(record(b"1"), 4)
        log.start()
        await until(lambda: STARTED_AGAIN in caplog.text)

    counts = use(tmp_path, act, seconds=30)
    assert counts == {"sent": 1, "spilled": 0, "dropped": 0, "waiting": 0}
    assert Topic(tmp_path).ids == {"1"}


@pytest.mark.parametrize(
    "command", [("/no/such/program",), (sys.executable, "-c", f"raise SystemExit({BAD_SETTINGS})")]
)
def test_a_shipper_that_cannot_begin_is_said_once_and_what_it_never_read_is_counted_at_the_end(
    tmp_path, caplog, monkeypatch, command
):
    monkeypatch.setattr(link, "COMMAND", command)
    monkeypatch.setattr(keeping, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(keeping, "HOPELESS_PAUSE", 0.01)
    starts = []
    started = link._started
    monkeypatch.setattr(link, "_started", lambda theirs: starts.append(1) or started(theirs))

    async def act(log):
        log.put(record(b"1"), 4)
        log.start()
        await until(lambda: len(starts) > keeping.TRIES + 2)
        assert (log.counts["dropped"], log.counts["waiting"]) == (0, 1)

    assert use(tmp_path, act, seconds=2) == {"sent": 0, "spilled": 0, "dropped": 1, "waiting": 0}
    assert caplog.text.count(STARTED_AGAIN) == 1
    assert "1 inference records could not be shipped before the end" in caplog.text


def test_where_no_thread_is_to_be_had_it_is_tried_again(tmp_path, caplog, monkeypatch):
    started, starts = link._started, []

    def fails_once(theirs):
        starts.append(1)
        if len(starts) == 1:
            raise RuntimeError("can't start new thread")
        return started(theirs)

    monkeypatch.setattr(link, "_started", fails_once)

    async def act(log):
        log.put(record(b"1"), 4)
        log.start()
        await until(lambda: log.counts["sent"] == 1)

    assert use(tmp_path, act)["sent"] == 1
    assert "ended before it was started: can't start new thread" in caplog.text
