"""What was saved before a change of the tables keeps its meaning; the batching modes can go back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import services
from serving.models import Serving, Topic
from serving.settings import Settings

BEFORE, AFTER = ("serving", "0001_initial"), ("serving", "0002_batching_modes")


def migrate(target: tuple[str, str]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    return executor.loader.project_state([target]).apps.get_model("serving", "Revision")


@pytest.fixture
def _migrated_afterwards() -> Iterator[None]:
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.fixture
def modes(owner: Access, export: Callable[..., ModelVersion]) -> dict[str, Serving]:
    export()
    script = "Models/iris/1/predictor.py"
    return {
        mode: services.create(access=owner, wanted=Settings(name=mode, script=script, batching=mode))[0]
        for mode in ("auto", "on", "off")
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_migrated_afterwards", "modes")
def test_batching_is_converted_both_ways() -> None:
    def found(revisions: Any) -> dict[str, object]:
        return dict(revisions.objects.values_list("serving__name", "batching"))

    assert found(migrate(BEFORE)) == {"auto": False, "on": True, "off": False}
    assert found(migrate(AFTER)) == {"auto": "off", "on": "on", "off": "off"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_migrated_afterwards", "modes")
def test_revisions_there_are_take_the_exemptions_of_their_serving() -> None:
    Serving.objects.filter(name="on").update(exemptions=["egress"])
    migrate(("serving", "0004_containers"))
    revisions = migrate(("serving", "0005_exemptions_of_revisions")).objects
    found = dict(revisions.values_list("serving__name", "exemptions"))
    assert found == {"auto": [], "on": ["egress"], "off": []}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_migrated_afterwards")
def test_topics_that_are_there_count_as_made_here(owner: Access) -> None:
    migrate(("serving", "0007_partitioned_records"))
    with connection.cursor() as cursor:
        for name, state in (("there", "ready"), ("refused", "failed")):
            cursor.execute(
                "INSERT INTO serving_topic (project_id, name, subject, schema, partitions, replication, state, problem,"
                " is_deleted, described, consumed, created_at)"
                " VALUES (%s, %s, '', '', 1, 1, %s, '', %s, '{}', '{}', %s)",
                [owner.project.pk, name, state, False, timezone.now()],
            )
    migrate(("serving", "0008_topics_of_ours"))
    assert dict(Topic.objects.values_list("name", "is_ours")) == {"there": True, "refused": False}
