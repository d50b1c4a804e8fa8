"""Batching changes how many calls the model sees and nothing else."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from hopyard.server.batcher import Batcher, BatchLimits

from .process import eventually

GATED = """
    import os, time
    class Predict:
        def predict(self, inputs):
            print("batch of", len(inputs), flush=True)
            while not os.path.exists({gate!r}):
                time.sleep(0.005)
            {body}
"""


def gather(serve, tmp_path, body, rows, **settings):
    """Predict one row to keep the model busy, let the others wait behind it, and return all answers."""
    gate = tmp_path / "gate"
    server = serve(GATED.format(gate=str(gate), body=body), BATCHING="on", **settings).ready()
    with ThreadPoolExecutor(len(rows) + 1) as pool:
        first = pool.submit(server.predict, *rows[0])
        eventually(lambda: "batch of" in server.log)
        others = [pool.submit(server.predict, *row) for row in rows[1:]]
        eventually(lambda: server.metric("hopyard_in_flight") == len(rows))
        gate.touch()
        return server, [future.result() for future in (first, *others)]


def test_waiting_calls_are_predicted_together_and_answered_apart(serve, tmp_path):
    rows = [[n] for n in range(20)] + [[100, 101], []]
    server, answers = gather(serve, tmp_path, "return [row * 2 for row in inputs]", rows)
    assert [answer.json()["predictions"] for answer in answers] == [[r * 2 for r in row] for row in rows]
    assert "batch of 21" in server.log


def test_a_failing_row_fails_only_its_own_call(serve, tmp_path):
    rows = [[1], [2], [0], [4]]
    _, answers = gather(serve, tmp_path, "return [8 // row for row in inputs]", rows)
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200]
    assert answers[2].json()["error"].startswith("ZeroDivisionError")
    assert answers[3].json() == {"predictions": [2]}


def test_a_model_that_miscounts_is_predicted_call_by_call_from_then_on(serve, tmp_path):
    server, answers = gather(serve, tmp_path, "return [sum(inputs)]", [[1], [2], [3], [4]])
    assert [answer.json()["predictions"] for answer in answers] == [[1], [2], [3], [4]]
    assert "Batching is off: 3 rows were predicted together and 1 answers came back" in server.log


def test_an_answer_that_cannot_be_cut_is_given_call_by_call(serve, tmp_path):
    _, answers = gather(serve, tmp_path, "return 'not implemented'", [[1], [2], [3]])
    assert {answer.json()["predictions"] for answer in answers} == {"not implemented"}


@pytest.mark.parametrize(
    "body",
    [
        "from collections import deque; return deque(inputs)",
        "from collections import UserDict; return UserDict(enumerate(inputs))",
        "return type('Odd', (list,), {'__len__': lambda self: 1 / 0})(inputs)",
        "return type('Odd', (list,), {'iloc': property(lambda self: exit())})(inputs)",
    ],
)
def test_an_answer_that_fails_when_it_is_cut_is_given_call_by_call(serve, tmp_path, body):
    server, answers = gather(serve, tmp_path, body, [[1], [2], [3]])
    assert len(answers) == 3
    assert "Batching is off" in server.log
    assert server.predict(4, timeout=5).status_code in (200, 500)
    assert server.metric("hopyard_in_flight") == 0


def test_a_batch_never_exceeds_its_size(serve, tmp_path):
    server, _ = gather(serve, tmp_path, "return inputs", [[n] for n in range(10)], MAX_BATCH_SIZE=4)
    sizes = [int(line.split()[-1]) for line in server.log.splitlines() if line.startswith("batch of")]
    assert max(sizes) <= 4
    assert sum(sizes) == 10


def test_async_methods_are_batched_too(serve):
    script = """
        import asyncio
        class Predict:
            async def predict(self, inputs):
                await asyncio.sleep(0.05)
                return inputs
    """
    server = serve(script, BATCHING="on").ready()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(server.predict, range(8)))
    assert [answer.json()["predictions"] for answer in answers] == [[n] for n in range(8)]


class Job:
    abandoned = timed = False
    times = None
    size = 10

    def __init__(self, *rows):
        self.payload = list(rows)


def run_batcher(scenario):
    """Drive a batcher whose model answers when the scenario says so."""

    async def main():
        calls, answered = [], []
        batcher = Batcher(
            lambda job, done: calls.append((job, done)),
            lambda job, value, error: answered.append((job, value, error)),
            BatchLimits(rows=4),
            asyncio.get_running_loop(),
        )
        await scenario(batcher, calls, answered)

    asyncio.run(main())


def test_a_caller_alone_waits_for_no_timer():
    async def scenario(batcher, calls, answered):
        job = Job(1)
        batcher(job)
        await asyncio.sleep(0)
        assert [call[0] for call in calls] == [job]

    run_batcher(scenario)


def test_a_job_abandoned_while_waiting_is_not_predicted():
    async def scenario(batcher, calls, answered):
        jobs = [Job(1), Job(2), Job(3)]
        for job in jobs:
            batcher(job)
        jobs[1].abandoned = True
        await asyncio.sleep(0)
        assert [job.payload for job in calls[0][0].jobs] == [[1], [3]]
        assert answered[0][0] is jobs[1]

    run_batcher(scenario)


def test_what_arrives_during_a_batch_is_the_next_batch():
    async def scenario(batcher, calls, answered):
        batcher(Job(1))
        await asyncio.sleep(0)
        for n in (2, 3, 4):
            batcher(Job(n))
        await asyncio.sleep(0)
        assert len(calls) == 1
        job, done = calls[0]
        done(job, ["one"], None)
        while len(calls) < 2:  # a slow first batch is worth several looks for more
            await asyncio.sleep(0)
        batch, done = calls[1]
        done(batch, ["two", "three", "four"], None)
        assert [value for _, value, _ in answered] == [["one"], ["two"], ["three"], ["four"]]

    run_batcher(scenario)


def test_a_large_request_runs_alone():
    async def scenario(batcher, calls, answered):
        jobs = [Job(1), Job(2), Job(3), Job(4)]
        jobs[1].size = 100_000
        for job in jobs:
            batcher(job)
        for _ in range(3):
            await asyncio.sleep(0)
            job, done = calls[-1]
            done(job, job.payload, None)
        assert [job.payload for job, _ in calls] == [[1], [2], [3, 4]]

    run_batcher(scenario)


@pytest.mark.parametrize("make", [list, tuple, np.array, pd.Series, lambda rows: pd.DataFrame({"x": rows})])
def test_answers_of_every_kind_are_cut_by_position(make):
    async def scenario(batcher, calls, answered):
        for job in (Job(1), Job(2, 3), Job(4)):
            batcher(job)
        await asyncio.sleep(0)
        batch, done = calls[0]
        done(batch, make(batch.payload), None)
        assert [np.asarray(value).ravel().tolist() for _, value, _ in answered] == [[1], [2, 3], [4]]
        assert {type(value) for _, value, _ in answered} == {type(make([1]))}

    run_batcher(scenario)
