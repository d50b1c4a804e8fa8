"""What the shipper cannot deliver: it is kept, handed on, or dropped and counted, and that is said once."""

import stat
from pathlib import Path

from hopyard.server.inference_log import frames

from ..process import eventually
from .shipper import TOPIC, messages, record, request_ids, values


def test_a_folder_in_whose_place_is_a_file_is_waited_for(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    shipper = ship(topic_dir=str(tmp_path / "topics"), spill_dir=str(tmp_path / "spill"))
    for number in range(5):
        shipper.send([record(number)])
    shipper.settled(spilled=5, waiting=5, sent=0)
    assert shipper.took == [1, 2, 3, 4, 5]
    assert request_ids(values(tmp_path / "spill" / TOPIC)) == [f"call-{number}" for number in range(5)]
    (line,) = shipper.lines
    assert "are kept in files until the topic's folder takes them again" in line
    (tmp_path / "topics").unlink()
    shipper.settled(sent=5, waiting=0)
    assert request_ids(messages(tmp_path)) == [f"call-{number}" for number in range(5)]
    assert list((tmp_path / "spill" / TOPIC).iterdir()) == []
    assert shipper.lines[1:] == [
        "INFO the topic's folder took the 5 inference records that were kept in files"
    ]


def test_a_full_spill_drops_and_counts_and_says_it_once(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    shipper = ship(topic_dir=str(tmp_path / "topics"), spill_dir=str(tmp_path / "spill"), spill_mb=1)
    body = b'["' + b"x" * 50_000 + b'"]'
    for number in range(40):
        shipper.send([record(number, inputs=body)])
    eventually(lambda: sum(shipper.counts.get(name, 0) for name in ("spilled", "dropped")) == 40)
    assert shipper.counts["spilled"] == shipper.counts["waiting"] == 19
    assert [line.split(": ")[0] for line in shipper.lines] == [
        "WARNING Inference records are kept in files until the topic's folder takes them again",
        "ERROR Inference records cannot be written and are dropped",
    ]
    assert "the 1 MB for them are full" in shipper.lines[1]
    (tmp_path / "topics").unlink()
    shipper.settled(sent=19, waiting=0)
    assert shipper.lines[2].endswith("kept in files; 21 were dropped meanwhile")


def test_a_disk_that_is_full_leaves_whole_messages_only(ship, tmp_path):
    """A file may have 40 KB here, in the topic and in the spill: whoever cannot write drops, and goes on."""
    shipper = ship(topic_dir=str(tmp_path / "topics"), spill_dir=str(tmp_path / "spill"), limit="-f 40")
    for number in range(300):
        shipper.send([record(number, inputs=b"[" + b"1," * 500 + b"1]")])
    eventually(
        lambda: (
            shipper.counts.get("sent", 0)
            + shipper.counts.get("dropped", 0)
            + shipper.counts.get("waiting", 0)
            == 300
        )
    )
    assert shipper.process.poll() is None
    assert "bytes fitted" in shipper.log
    kept, spilled = messages(tmp_path), values(tmp_path / "spill" / TOPIC)
    assert (len(kept), len(spilled)) == (shipper.counts["sent"], shipper.counts["waiting"])
    for folder in (tmp_path / "topics" / TOPIC, tmp_path / "spill" / TOPIC):
        for path in folder.iterdir():
            data = path.read_bytes()
            assert 30_000 < len(data) <= 40 * 1024
            assert frames.read(data, 10**9).bytes == len(data)


def test_what_is_left_at_the_end_is_for_the_platform(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    shipper = ship(topic_dir=str(tmp_path / "topics"), spill_dir=str(tmp_path / "spill"))
    shipper.send([record(1)])
    assert shipper.end(seconds=4) == 0
    assert request_ids(values(tmp_path / "spill" / TOPIC)) == ["call-1"]
    assert shipper.counts == {"sent": 0, "spilled": 1, "dropped": 0, "waiting": 1}
    assert "1 inference records are left in files for the platform" in shipper.log


def test_without_a_place_for_the_spill_what_is_left_is_dropped_and_counted(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    shipper = ship(topic_dir=str(tmp_path / "topics"), drain_seconds=0.5)
    shipper.send([record(1)])
    assert shipper.end() == 0
    assert shipper.counts == {"sent": 0, "spilled": 1, "dropped": 1, "waiting": 0}
    assert "1 inference records could not be sent before the end and are dropped" in shipper.log


def test_a_shipper_that_was_killed_leaves_its_spill_to_the_next(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    settings = {"topic_dir": str(tmp_path / "topics"), "spill_dir": str(tmp_path / "spill")}
    first = ship(**settings)
    first.send([record(1), record(2)])
    eventually(lambda: first.took)
    first.close()
    (tmp_path / "topics").unlink()
    second = ship(**settings)
    second.settled(sent=2, waiting=0)
    assert request_ids(messages(tmp_path)) == ["call-1", "call-2"]


def test_a_spill_of_its_own_is_found_by_the_next_shipper_of_the_replica(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    settings = {"topic_dir": str(tmp_path / "topics")}
    first = ship(**settings)
    first.send([record(1), record(2)])
    eventually(lambda: first.took)
    first.close()
    other = ship(topic_dir=str(tmp_path / "others"))
    other.settled(sent=0, waiting=0)
    (tmp_path / "topics").unlink()
    second = ship(**settings)
    second.settled(sent=2, waiting=0)
    assert request_ids(messages(tmp_path)) == ["call-1", "call-2"]


def test_a_spill_of_its_own_is_for_no_other_user_and_gone_after_the_end(ship, tmp_path):
    (tmp_path / "topics").write_text("in the way")
    shipper = ship(topic_dir=str(tmp_path / "topics"), drain_seconds=0.2)
    shipper.send([record(1)])
    eventually(lambda: shipper.took)
    files = [path.readlink() for path in Path(f"/proc/{shipper.process.pid}/fd").iterdir()]
    (folder,) = {file.parent for file in files if "hopyard-spill-" in str(file)}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert shipper.end() == 0
    assert not folder.exists()
