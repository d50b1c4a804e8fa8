"""What every broker does, whichever keeps the topics; its suite is run once for each."""

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

import pytest

from serving.topics.broker import Broker, BrokerAway, BrokerError, Message, Reader
from tests.waiting import eventually


class BrokerContract:
    """Subclasses have the fixtures `broker`, `another` (a new client of the same place), and `spread`, which writes
    messages into several partitions of a topic.
    """

    @pytest.fixture
    def topic(self, broker: Broker) -> Iterator[str]:
        name = f"calls-{secrets.token_hex(4)}"
        broker.create(name, partitions=2, replication=1)
        yield name
        broker.delete(name)

    @pytest.fixture
    def group(self) -> str:
        return f"group-{secrets.token_hex(4)}"

    @pytest.fixture
    def reader_of(self, broker: Broker, topic: str, group: str) -> Iterator[Callable[..., Reader]]:
        made: list[Reader] = []

        def make(*topics: str) -> Reader:
            reader = broker.reader(group=group)
            reader.subscribe(topics or [topic])
            made.append(reader)
            return reader

        yield make
        for reader in made:
            reader.close()

    def test_a_topic_is_made_once_and_left_as_it_is(
        self, broker: Broker, another: Broker, topic: str
    ) -> None:
        broker.publish(topic, [b"one"])
        another.create(topic, partitions=5, replication=1)
        assert [message.value for message in another.peek(topic, most=9)] == [b"one"]

    def test_what_does_not_exist_is_not_described(self, broker: Broker, topic: str) -> None:
        assert broker.describe([]) == {}
        assert set(broker.describe([topic, "nobody-made-this"])) == {topic}
        assert broker.peek("nobody-made-this", most=3) == []

    def test_a_topic_among_thousands_of_names_is_described(self, broker: Broker, topic: str) -> None:
        names = [f"nobody-made-this-{number}" for number in range(3000)]
        assert set(broker.describe([*names, topic])) == {topic}

    def test_bytes_are_those_on_disk(self, broker: Broker, topic: str) -> None:
        assert broker.describe([topic])[topic].bytes == 0
        broker.publish(topic, [secrets.token_bytes(50_000)])
        assert 50_000 <= broker.describe([topic])[topic].bytes < 60_000

    def test_a_name_that_no_topic_may_have_is_refused(self, broker: Broker) -> None:
        for name in ("", ".", "..", "../elsewhere", "a b", "ü", "x" * 250):
            with pytest.raises(BrokerError) as refused:
                broker.create(name, partitions=1, replication=1)
            assert refused.value.code == "InvalidTopicName"

    def test_messages_for_a_topic_that_nobody_made_are_refused(self, broker: Broker) -> None:
        with pytest.raises(BrokerError, match="nobody-made-this") as refused:
            broker.publish("nobody-made-this", [b"one"])
        assert refused.value.code == "NoSuchTopic"
        assert broker.describe(["nobody-made-this"]) == {}

    def test_a_removed_topic_is_gone_and_may_be_made_again(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        broker.publish(topic, [b"old"])
        reader = reader_of()
        assert read(reader, 1) == [b"old"]
        reader.commit()
        reader.close()
        broker.delete(topic)
        assert broker.describe([topic]) == {}
        broker.delete(topic)
        broker.create(topic, partitions=1, replication=1)
        broker.publish(topic, [b"new"])
        assert [message.value for message in broker.peek(topic, most=9)] == [b"new"]
        assert read(reader_of(), 1) == [b"new"]

    def test_messages_are_read_in_the_order_of_their_partition(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        sent = [f"{number}".encode() for number in range(1000)]
        for start in range(0, 1000, 100):
            values = sent[start : start + 100]
            broker.publish(topic, values, keys=[b"same"] * len(values))
        reader = reader_of()
        found: list[Message] = []
        eventually(lambda: found.extend(reader.poll(seconds=0.2, most=300)) or len(found) >= 1000)
        assert [message.value for message in found] == sent
        places = [message.offset for message in found]
        assert places == sorted(set(places))
        assert {message.topic for message in found} == {topic}

    def test_no_more_than_asked_for_come_at_once(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        broker.publish(topic, [b"one"] * 50)
        reader = reader_of()
        first: list[Message] = []
        eventually(lambda: first.extend(reader.poll(seconds=0.2, most=7)) or first)
        assert len(first) == 7
        assert len(read(reader, 43)) == 43

    def test_empty_and_large_messages_come_whole(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        values = [b"", secrets.token_bytes(900_000), b"\0\n\xf0HY\x01" * 9, b""]
        broker.publish(topic, values)
        assert sorted(read(reader_of(), 4)) == sorted(values)

    def test_what_was_committed_is_not_read_again(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        broker.publish(topic, [b"one", b"two"])
        first = reader_of()
        assert sorted(read(first, 2)) == [b"one", b"two"]
        first.commit()
        broker.publish(topic, [b"three"])
        assert read(first, 1) == [b"three"]
        first.commit()
        first.close()
        broker.publish(topic, [b"four"])
        assert read(reader_of(), 1) == [b"four"]

    def test_what_a_reader_did_not_commit_is_read_by_the_next(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        broker.publish(topic, [b"one", b"two"])
        first = reader_of()
        assert len(read(first, 2)) == 2
        first.close()
        second = reader_of()
        assert sorted(read(second, 2)) == [b"one", b"two"]

    def test_readers_of_a_group_share_what_there_is(
        self, topic: str, reader_of: Callable[..., Reader], spread: Callable[[str, int], None]
    ) -> None:
        readers = [reader_of(), reader_of()]
        found: Counter[bytes] = Counter()
        by: Counter[int] = Counter()

        def both_have_read() -> bool:
            spread(topic, 10)
            for number, reader in enumerate(readers):
                values = [message.value for message in reader.poll(seconds=0.1, most=7)]
                found.update(value for value in values if value is not None)
                by[number] += len(values)
                if values:
                    reader.commit()
            return min(by[0], by[1]) > 0

        eventually(both_have_read, seconds=90)

        def all_is_read() -> bool:
            return not any(take(reader, found) for reader in readers) and all(
                lag(reader) == {topic: 0} for reader in readers
            )

        eventually(all_is_read, seconds=90)
        sent = max(int(value) for value in found) + 1
        assert len(found) == sent
        assert max(found.values()) == 1

    def test_groups_do_not_disturb_each_other(self, broker: Broker, topic: str) -> None:
        broker.publish(topic, [b"one"])
        for number in range(2):
            reader = broker.reader(group=f"{topic}-{number}")
            reader.subscribe([topic])
            assert read(reader, 1) == [b"one"]
            reader.commit()
            reader.close()

    def test_topics_come_and_go_while_it_reads(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        reader = reader_of()
        assert reader.poll(seconds=0, most=1) == []
        later = f"{topic}-later"
        broker.create(later, partitions=1, replication=1)
        broker.publish(later, [b"later"])
        broker.publish(topic, [b"first"])
        reader.subscribe([topic, later])
        assert sorted(read(reader, 2)) == [b"first", b"later"]
        reader.commit()
        reader.subscribe([later])
        broker.publish(topic, [b"unread"])
        broker.publish(later, [b"read"])
        assert read(reader, 1) == [b"read"]
        reader.subscribe([])
        assert reader.poll(seconds=0, most=1) == []
        broker.delete(later)

    def test_lag_is_what_is_left_to_read(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        broker.publish(topic, [b"one"])
        reader = reader_of()
        assert read(reader, 1) == [b"one"]
        reader.commit()
        eventually(lambda: reader.lag() == {topic: 0})
        broker.publish(topic, [b"two"])
        eventually(lambda: reader.lag()[topic] > 0)

    def test_peeking_shows_the_newest_first_and_moves_no_group(
        self, broker: Broker, topic: str, reader_of: Callable[..., Reader]
    ) -> None:
        values = [f"{number}".encode() for number in range(20)]
        broker.publish(topic, values, keys=[b"same"] * 20)
        assert [message.value for message in broker.peek(topic, most=3)] == [b"19", b"18", b"17"]
        assert len(broker.peek(topic, most=99)) == 20
        assert len(read(reader_of(), 20)) == 20

    def test_a_closed_broker_may_be_used_again(self, broker: Broker, topic: str) -> None:
        broker.publish(topic, [b"one"])
        broker.close()
        broker.publish(topic, [b"two"])
        assert len(broker.peek(topic, most=9)) == 2


def take(reader: Reader, found: "Counter[bytes]") -> int:
    """Read once, count the messages in `found` and commit; how many there were."""
    values = [message.value for message in reader.poll(seconds=0.1, most=100)]
    found.update(value for value in values if value is not None)
    if values:
        reader.commit()
    return len(values)


def lag(reader: Reader) -> Mapping[str, int]:
    """Nothing while it is not known."""
    with contextlib.suppress(BrokerAway):
        return reader.lag()
    return {}


def read(reader: Reader, number: int) -> list[bytes | None]:
    """So many messages, or more if there are."""
    found: list[Message] = []
    eventually(lambda: found.extend(reader.poll(seconds=0.2, most=1000)) or len(found) >= number, seconds=90)
    return [message.value for message in found]


def values_of(messages: Collection[Message]) -> list[bytes | None]:
    return [message.value for message in messages]
