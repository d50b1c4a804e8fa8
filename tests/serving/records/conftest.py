"""A serving with calls to look for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import services
from serving.models import InferenceRecord, Serving
from serving.records import bins
from serving.settings import Settings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    export()
    made, _ = services.create(access=owner, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
    return made


@pytest.fixture
def call(serving: Serving) -> Callable[..., InferenceRecord]:
    """Record a call, each a second before the one before unless told otherwise."""
    number = 0

    def make(**given: Any) -> InferenceRecord:
        nonlocal number
        number += 1
        values: dict[str, Any] = {
            "serving": serving,
            "request_id": f"request-{number}",
            "revision": 1,
            "replica": "r1-0-1",
            "protocol": "v1",
            "verb": "predict",
            "status": 200,
            "requested_at": NOON - timedelta(seconds=number),
            "duration_us": 1500,
        }
        values |= given
        values["fields"] = bins.beside(values.get("fields", {}))  # as the consumer stores them
        return InferenceRecord.objects.create(**values)

    return make
