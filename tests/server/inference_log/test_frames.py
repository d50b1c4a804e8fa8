"""Both planes read and write the same files of messages."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.server.inference_log import frames as ours
from serving.topics import frames as theirs

unhurried = settings(deadline=None)
MESSAGES = st.lists(st.binary(max_size=200), max_size=8)
PIECES = st.lists(
    st.binary(max_size=50) | st.just(ours.MAGIC) | st.just(ours.frame(b"x" * 30)[:-3]), max_size=4
)


@unhurried
@given(st.binary(max_size=500))
def test_both_write_the_same_frame(value):
    assert ours.frame(value) == theirs.frame(value)


def test_both_name_and_bound_files_alike():
    assert (ours.SUFFIX, ours.MOST_BYTES) == (theirs.SUFFIX, theirs.MOST_BYTES)


@unhurried
@given(MESSAGES, MESSAGES, PIECES)
def test_both_find_the_same_messages_around_what_is_foreign(before, after, pieces):
    foreign = b"".join(pieces)
    data = b"".join(map(ours.frame, before)) + foreign + b"".join(map(ours.frame, after))
    found = [one.value for one in theirs.read(data, 0, is_end=True, is_closed=True) if one.value is not None]
    assert ours.read(data, 10**9).values == found
    assert found[: len(before)] == before
    assert not after or found[-len(after) :] == after


@unhurried
@given(MESSAGES.filter(bool), st.integers(1, 40))
def test_what_was_cut_off_is_not_read_and_its_length_is_known(messages, cut):
    whole = b"".join(map(ours.frame, messages))
    last = len(ours.frame(messages[-1]))
    data = whole[: -min(cut, last)]
    found = ours.read(data, 10**9)
    assert found.values == messages[:-1]
    assert found.bytes == len(whole) - last
    assert found.wanted == (last if last - min(cut, last) >= ours.HEAD.size else 0)


def test_no_more_are_read_than_asked_for():
    data = b"".join(map(ours.frame, [b"1", b"2", b"3"]))
    found = ours.read(data, 2)
    assert (found.values, data[found.bytes :]) == ([b"1", b"2"], ours.frame(b"3"))
