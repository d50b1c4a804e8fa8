"""The names that callers give to calls."""

import hashlib
from pathlib import Path

from hopyard.server.inference_log import records
from hopyard.server.inference_log.pairs import Pairs
from hopyard.server.inference_log.redaction import Redaction
from hopyard.server.inference_log.shipping.orders import Orders
from hopyard.server.inference_log.shipping.preparing import Preparing
from tests.server.inference_log.redaction.hiding import EMAIL


def named(record_id, extra, *patterns):
    record = (
        *[0.0] * records.REQUEST_ID,
        record_id,
        *[0.0] * (records.EXTRA - records.REQUEST_ID - 1),
        extra,
    )
    found = Redaction.of([{"pattern": each} for each in patterns], "salt").named(record)
    assert len(found) == len(record)
    return found[records.REQUEST_ID], found[records.EXTRA]


def test_an_id_that_a_pattern_matches_is_always_the_same_hash():
    hashed = hashlib.sha256(b"saltcall of a@b.co").hexdigest()[:16]
    extra = {"ce_id": "call of a@b.co", "content_type": "text/plain", "answer_type": None}
    for _ in range(2):
        assert named(b"call of a@b.co", extra, EMAIL) == (hashed.encode(), {**extra, "ce_id": hashed})
    assert named(b"call-1", extra, r"\d{9}") == (b"call-1", extra)
    assert named(b"call of a@b.co", None) == (b"call of a@b.co", None)


def test_an_id_that_takes_for_ever_to_look_at_is_hashed():
    found, _ = named(b"a" * 5000, None, "(a+)+b")
    assert found == hashlib.sha256(b"salt" + b"a" * 5000).hexdigest()[:16].encode()


def test_neither_the_record_nor_the_events_of_a_call_have_an_id_that_a_pattern_matches():
    told = []
    orders = Orders("w", "iris-inf0001", topic_dir=Path(), redaction=({"pattern": EMAIL},))
    preparing = Preparing(orders, for_platform=False, tell=told.append)
    times = (0.25, 0.0, -1.0, 0.2, -1.0)
    extra = {"ce_id": "a@b.co"}
    record = (1.7e9, 200, b"a@b.co", "v1", "predict", *times, b"{}", b"{}", None, None, extra)
    (value,) = preparing.values([record])
    (call,) = told
    events = list(Pairs(orders.origin, exact=False).of(call))
    assert "a@b.co" not in f"{value!r}{call.record!r}{events!r}"
    assert call.record[records.REQUEST_ID] in value
