"""Samples and batches of MLRun's records."""

import threading

import pytest

from hopyard.server.failures import Failure
from hopyard.server.flavors.mlrun import recording
from hopyard.server.inference_log import mlrun as topic
from tests.server.mlrun.recorded import WHEN, Served
from tests.waiting import eventually


def test_every_nth_call_is_recorded():
    served = Served(parameters={"log_stream_sample": 3})
    for number in range(1, 8):
        served.ask([number])
    assert [record["request"]["inputs"] for record in served.records] == [[3], [6]]


def test_sampled_calls_are_batched_in_mlruns_layout():
    served = Served(parameters={"log_stream_sample": 2, "log_stream_batch": 2})
    served.model.labels = {"team": "a"}
    for number in range(1, 9):
        served.model.set_metric("n", number)
        served.ask([number])
    first, second = served.records
    assert list(first) == [
        "class", "worker", "model", "version", "host", "function_uri", "labels", "headers", "values",
    ]  # fmt: skip
    assert first["headers"] == ["request", "op", "resp", "when", "microsec", "metrics"]
    rows = [
        dict(zip(first["headers"], row, strict=True)) for each in (first, second) for row in each["values"]
    ]
    assert [row["request"]["inputs"] for row in rows] == [[2], [4], [6], [8]]
    # MLRun's rows would all show the last one's.
    assert [row["metrics"] for row in rows] == [{"n": 2}, {"n": 4}, {"n": 6}, {"n": 8}]
    assert all(WHEN.fullmatch(row["when"]) and row["resp"]["outputs"] for row in rows)


def test_a_row_without_metrics_has_none():
    served = Served(parameters={"log_stream_batch": 2})
    served.ask()
    served.ask()
    assert [row[5] for row in served.records[0]["values"]] == [{}, {}]


def test_the_last_rows_of_a_batch_come_when_the_server_stops():
    served = Served(parameters={"log_stream_batch": 10})
    served.ask([1])
    served.ask([2])
    assert served.taken == []
    topic.close([served.messages])
    assert [row[0]["inputs"] for row in served.records[0]["values"]] == [[1], [2]]
    served.ask([3])
    assert len(served.taken) == 1


def test_the_last_rows_of_a_batch_come_after_a_while(monkeypatch):
    monkeypatch.setattr(recording, "FLUSH_SECONDS", 0.05)
    served = Served(parameters={"log_stream_batch": 10})
    served.ask([1])
    eventually(lambda: len(served.taken) == 1)
    served.ask([2])
    eventually(lambda: len(served.taken) == 2)
    assert [len(record["values"]) for record in served.records] == [1, 1]


def test_no_row_is_lost_or_doubled_among_threads(monkeypatch):
    monkeypatch.setattr(recording, "FLUSH_SECONDS", 0.001)
    served = Served(parameters={"log_stream_batch": 7})
    threads = [
        threading.Thread(
            target=lambda start=start: [served.ask([each]) for each in range(start, start + 100)]
        )
        for start in (1, 101, 201, 301)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    topic.close([served.messages])
    asked = [row[0]["inputs"][0] for record in served.records for row in record["values"]]
    assert sorted(asked) == list(range(1, 401))


def test_a_percentage_takes_some_of_the_rows_and_leaves_the_answer_alone(monkeypatch):
    draws = iter([0.1, 0.9, 0.2, 0.9, 0.9, 0.9])
    monkeypatch.setattr(recording, "random", lambda: next(draws))
    served = Served(parameters={"sampling_percentage": 50})
    assert served.ask([1, 2, 4])["outputs"] == [1.0, 0.5, 0.25]
    (record,) = served.records
    assert (record["request"]["inputs"], record["resp"]["outputs"]) == ([1, 4], [1.0, 0.25])
    assert (record["sampling_percentage"], record["effective_sample_count"]) == (50.0, 2)
    served.ask([1, 2, 4])
    assert len(served.taken) == 1


def test_the_servings_sample_is_of_calls_and_is_told(monkeypatch):
    draws = iter([0.05, 0.5, 0.01])
    monkeypatch.setattr(topic.random, "random", lambda: next(draws))
    served = Served(percent=10.0)
    for number in (1, 2, 3):
        served.ask([number])
    assert [record["request"]["inputs"] for record in served.records] == [[1], [3]]
    assert served.records[0]["sampling_percentage"] == 10.0


def test_a_batch_that_is_too_large_for_a_message_is_several():
    served = Served(parameters={"log_stream_batch": 40})
    for number in range(1, 41):
        served.ask([number], note="x" * 40_000)
    assert len(served.taken) > 1
    assert all(len(each) <= topic.MOST_MESSAGE_BYTES for each in served.taken)
    rows = [row for record in served.records for row in record["values"]]
    assert [row[0]["inputs"] for row in rows] == [[number] for number in range(1, 41)]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            {"log_stream_batch": "many"},
            "log_stream_batch is 'many'; it is a whole number of calls, 1 or more",
        ),
        ({"log_stream_sample": 0}, "log_stream_sample is 0"),
        ({"sampling_percentage": 0}, "sampling_percentage is 0; it is more than 0 and at most 100"),
        ({"sampling_percentage": 5, "log_stream_batch": 5}, "give one or the other"),
    ],
)
def test_numbers_that_make_no_sense_are_told_at_the_start(parameters, said):
    with pytest.raises(Failure, match=said) as caught:
        Served(parameters=parameters)
    assert caught.value.code == "ConfigurationInvalid"
