"""The spill keeps messages in order, within its bounds, and for whoever comes after."""

import fcntl

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hopyard.server.inference_log import frames, spill
from hopyard.server.inference_log.spill import Spill

from .shipper import values

MB = 1_000_000


def drained(kept: Spill, most: int = 7) -> list[bytes]:
    found = []
    while (chunk := kept.oldest(most)).values:
        assert len(chunk.values) <= most
        found += chunk.values
        kept.forget(chunk)
    return found


def test_messages_come_back_in_order_and_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "SEGMENT_BYTES", 500)
    kept = Spill(tmp_path / "t", "r1", MB)
    messages = [b"%d" % number * 20 for number in range(100)]
    assert sum(kept.append(messages[at : at + 10]) for at in range(0, 100, 10)) == 100
    assert len(list((tmp_path / "t").iterdir())) > 5
    assert values(tmp_path / "t") == messages
    assert kept.waiting == 100
    assert drained(kept) == messages
    assert kept.waiting == 0
    assert list((tmp_path / "t").iterdir()) == []


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.integers(0, 20) | st.none(), max_size=30))
def test_whatever_the_order_of_writing_and_reading_nothing_is_lost(tmp_path_factory, monkeypatch, steps):
    monkeypatch.setattr(spill, "SEGMENT_BYTES", 300)
    monkeypatch.setattr(spill, "CHUNK_BYTES", 128)
    kept = Spill(tmp_path_factory.mktemp("spill"), "r1", MB)
    written, read = [], []
    for step in steps:
        if step is None:
            chunk = kept.oldest(3)
            read += chunk.values
            if chunk.values:
                kept.forget(chunk)
        else:
            more = [b"%d-" % number * (number % 40) for number in range(len(written), len(written) + step)]
            assert kept.append(more) == step
            written += more
        assert kept.waiting == len(written) - len(read)
    assert read + drained(kept) == written
    kept.close()


def test_it_takes_no_more_than_its_bound_and_has_room_again_when_read(tmp_path):
    kept = Spill(tmp_path, "r1", 10_000)
    messages = [b"x" * 88] * 150  # a hundred bytes each with their heads
    assert kept.append(messages) == 100
    assert "are full" in kept.problem
    assert kept.append(messages) == 0
    for _ in range(3):
        kept.forget(kept.oldest(10))
    assert 0 < kept.append(messages) <= 30
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000
    kept.close()


def test_a_message_larger_than_what_is_read_at_once_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "CHUNK_BYTES", 100)
    kept = Spill(tmp_path, "r1", MB)
    messages = [b"a" * 5000, b"b", b"c" * 99, b"d" * 3000]
    kept.append(messages)
    assert drained(kept) == messages


def test_without_a_bound_to_use_nothing_is_written(tmp_path):
    kept = Spill(tmp_path / "t", "r1", 0)
    assert (kept.append([b"1"]), kept.waiting, kept.problem) == (0, 0, "")
    assert not (tmp_path / "t").exists()


def test_a_folder_that_cannot_be_written_keeps_nothing_and_says_why(tmp_path):
    (tmp_path / "t").write_text("in the way")
    kept = Spill(tmp_path / "t", "r1", MB)
    assert kept.append([b"1"]) == 0
    assert "cannot be written" in kept.problem


def test_its_files_are_locked_as_long_as_it_lives_and_are_left_behind(tmp_path):
    kept = Spill(tmp_path, "r1", MB)
    kept.append([b"1", b"2"])
    (path,) = tmp_path.iterdir()
    with path.open("rb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        kept.close()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert values(tmp_path) == [b"1", b"2"]


def test_the_next_one_of_the_same_writer_takes_over_what_was_left(tmp_path):
    before = Spill(tmp_path, "r1", MB)
    before.append([b"1", b"2", b"3"])
    before.forget(before.oldest(1))  # those of a file that are delivered already are sent once more
    before.close()
    (tmp_path / "r2.000001.log").write_bytes(frames.frame(b"another's"))
    kept = Spill(tmp_path, "r1", MB)
    assert kept.waiting == 3
    kept.append([b"4"])
    assert drained(kept) == [b"1", b"2", b"3", b"4"]
    assert [path.name for path in tmp_path.iterdir()] == ["r2.000001.log"]


def test_files_that_somebody_else_holds_are_left_alone(tmp_path):
    first, second = Spill(tmp_path, "r1", MB), Spill(tmp_path, "r1", MB)
    first.append([b"1"])
    third = Spill(tmp_path, "r1", MB)
    second.append([b"2"])
    third.append([b"3"])
    assert [drained(each) for each in (first, second, third)] == [[b"1"], [b"2"], [b"3"]]


@pytest.mark.parametrize("torn", [frames.frame(b"x" * 200)[:-5], b"foreign bytes", frames.frame(b"x")[:6]])
def test_what_a_crash_left_half_written_is_passed_over(tmp_path, torn):
    path = tmp_path / "r1.000003.log"
    path.write_bytes(frames.frame(b"1") + torn)
    kept = Spill(tmp_path, "r1", MB)
    assert kept.waiting == 1
    kept.append([b"2"])
    assert drained(kept) == [b"1", b"2"]
    assert not path.exists()


def test_what_is_discarded_is_gone_and_counted(tmp_path):
    kept = Spill(tmp_path, "r1", MB)
    kept.append([b"1", b"2"])
    assert (kept.discard(), kept.waiting, list(tmp_path.iterdir())) == (2, 0, [])
