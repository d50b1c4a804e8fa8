"""What is logged of a call holds no more than the mode keeps."""

from types import SimpleNamespace

import pytest

from hopyard.server.books import Books
from hopyard.server.calls import HttpCall
from hopyard.server.metrics import Metrics


@pytest.mark.parametrize(
    ("keeps_inputs", "keeps_outputs", "expected"),
    [
        (True, True, (b"[1]", b"answer", 9)),
        (True, False, (b"[1]", None, 3)),
        (False, True, (None, b"answer", 6)),
    ],
)
def test_a_record_is_as_large_as_what_it_holds(keeps_inputs, keeps_outputs, expected):
    put = []
    log = SimpleNamespace(
        takes_all=True,
        tells_events=False,
        keeps_inputs=keeps_inputs,
        keeps_outputs=keeps_outputs,
        clock=0.0,
        put=lambda record, size: put.append((record[10], record[11], size)),
    )
    metrics = Metrics()
    door = SimpleNamespace(protocol="v1", verb="predict", counters=metrics.counters("iris", "predict"))
    request = SimpleNamespace(id=b"1", body=b"[1]", respond=lambda *_: None)
    HttpCall(request, door, Books(metrics, log), None)._give(b"answer")
    assert put == [expected]
