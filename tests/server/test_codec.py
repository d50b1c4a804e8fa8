"""Python values to JSON and back."""

import dataclasses
import datetime
import decimal
import json
from collections import OrderedDict, deque

import numpy as np
import pandas as pd
import pytest

from hopyard.server.bodies import codec


@dataclasses.dataclass
class Flower:
    petals: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.5, "a", None, True], [1, 2.5, "a", None, True]),
        (float("nan"), None),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        ({1: "a", None: "b"}, {"1": "a", "null": "b"}),
        (OrderedDict(a=1), {"a": 1}),
        ({"a": 1}.values(), [1]),
        (deque([1]), [1]),
        (range(3), [0, 1, 2]),
        (decimal.Decimal("1.5"), 1.5),
        (datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), "2026-01-02T03:00:00+00:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Flower(5), {"petals": 5}),
        (np.array([[1.5, np.nan]]), [[1.5, None]]),
        (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
        (np.array(["setosa"]), ["setosa"]),
        (np.array([1, "a"], dtype=object), [1, "a"]),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        ([np.int64(3), np.str_("x")], [3, "x"]),
        ({np.int64(3): 1}, {"3": 1}),
        (np.array(5), 5),
        (pd.Series([1, 2]), [1, 2]),
        (pd.DataFrame({"a": [1], "b": ["x"]}), [{"a": 1, "b": "x"}]),
        (pd.Index(["a"]), ["a"]),
        (pd.Timestamp("2026-01-02 03:04"), "2026-01-02T03:04:00"),
        ([pd.NaT, pd.NA], [None, None]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
    ],
)
def test_an_answer_is_written(value, expected):
    assert json.loads(codec.encode(value)) == {"predictions": expected}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "predictions is a object"),
        ([1, {"a": [b"x"]}], "predictions[1]['a'][0] is a bytes"),
        ([complex(1, 2)], "predictions[0] is a complex"),
        ({"big": 2**70}, "predictions['big'] is a int"),
        (["\ud800"], "predictions[0] is a str"),
        (np.array([1j]), "predictions is a numpy.ndarray"),
        ([Flower], "predictions[0] is a type"),
        ((n for n in [1]), "predictions is a generator"),
    ],
)
def test_what_cannot_be_written_is_named_with_its_place(value, place):
    with pytest.raises(codec.Unserialisable) as caught:
        codec.encode(value)
    assert str(caught.value).startswith(place)


def test_an_answer_that_holds_itself_is_refused():
    loop: list = []
    loop.append(loop)
    with pytest.raises(codec.Unserialisable):
        codec.encode(loop)
