"""A serving with recorded calls."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import services
from serving.models import InferenceRecord, Serving
from serving.settings import Settings


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    export()
    wanted = Settings(name="iris", script="Models/iris/1/predictor.py")
    return services.create(access=owner, wanted=wanted)[0]


@pytest.fixture
def recorded(serving: Serving) -> list[InferenceRecord]:
    """Three calls of revision 1, a second apart; the last one failed."""
    now = timezone.now()
    return [
        InferenceRecord.objects.create(
            serving=serving,
            request_id=f"call-{number}",
            revision=1,
            replica="r1-0-1",
            verb="predict",
            protocol="v1",
            status=500 if number == 2 else 200,
            requested_at=now + timedelta(seconds=number - 60),
            duration_us=1000,
            inputs=f'{{"instances": [[{number}, 1]]}}',
            outputs="" if number == 2 else f'{{"predictions": [{number + 1}]}}',
        )
        for number in range(3)
    ]
