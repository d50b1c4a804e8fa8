"""Who may have replicas run with less around them than by default, and what containers were really given."""

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import ApiKey, AuditEntry, Scope
from models_registry.models import ModelVersion
from serving import canaries, exempting, preflights, queries, services
from serving.models import Preflight, Replica, Revision, Serving
from serving.settings import Settings
from serving.states import ReplicaState
from tests.conftest import People

WANTED = Settings(name="iris", script="Models/iris/1/predictor.py")
HERE = {"deployer": "local"}
IRIS = "/api/projects/garden/servings/iris/"


@pytest.fixture(autouse=True)
def _contained(settings, export: Callable[..., ModelVersion]) -> None:
    settings.DEPLOYER, settings.DEPLOYERS = "docker", ["docker", "swarm", "local"]
    export()


@pytest.fixture
def serving(member: Access) -> Serving:
    return services.create(access=member, wanted=WANTED)[0]


@pytest.fixture
def member(people: People) -> Access:
    return people.access(people.bob)


def moves() -> list[tuple[str, object]]:
    return [(entry.actor, entry.detail) for entry in AuditEntry.objects.filter(action="leave_containers")]


def test_a_member_does_not_take_a_serving_out_of_its_containers(
    serving: Serving, member: Access, owner: Access
) -> None:
    services.update(access=owner, serving=serving, changes=HERE)
    services.update(access=member, serving=serving, changes={"deployer": "swarm"})
    asked = Preflight.objects.count()
    ways = (
        lambda: services.update(access=member, serving=serving, changes=HERE),
        lambda: services.create(access=member, wanted=Settings(**vars(WANTED) | HERE | {"name": "roses"})),
        lambda: canaries.begin(access=member, serving=serving, changes=HERE, percent=0),
        lambda: services.roll_back(access=member, serving=serving, number=2),
        lambda: services.check(access=member, serving=serving, wanted=Settings(**vars(WANTED) | HERE)),
    )
    for way in ways:
        with pytest.raises(PermissionDenied, match="Only an owner"):
            way()
    assert Revision.objects.count() == 3
    assert Preflight.objects.count() == asked, "nothing of it ran on this machine"
    assert Serving.objects.get().current.deployer == "swarm"


def test_an_owner_does_and_that_is_audited_once(serving: Serving, owner: Access, member: Access) -> None:
    services.update(access=owner, serving=serving, changes=HERE)
    assert moves() == [("alice", {"before": "docker", "after": "local"})]
    services.update(access=member, serving=serving, changes={"cores": 2.0})
    assert Serving.objects.get().current.number == 3, "who is there already may be edited"
    services.create(access=owner, wanted=Settings(**vars(WANTED) | HERE | {"name": "roses"}))
    assert moves()[0][1] == {"before": "", "after": "local"}
    assert len(moves()) == 2


def test_where_processes_are_the_default_nobody_is_asked(serving: Serving, member: Access, settings) -> None:
    settings.DEPLOYER = "local"
    services.update(access=member, serving=serving, changes={"deployer": "docker"})
    services.update(access=member, serving=serving, changes=HERE)
    assert moves() == []


@pytest.mark.usefixtures("serving")
def test_a_key_without_the_scope_is_told_what_it_lacks(
    people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"ApiKey {key_of(people.alice, (Scope.READ, Scope.WRITE))[1]}")
    answer = api.patch(IRIS, HERE, format="json")
    assert answer.status_code == 403
    assert "lacks the scope “admin”" in answer.json()["error"]["message"]


def test_a_revision_keeps_the_exemptions_it_was_made_with(
    serving: Serving, owner: Access, member: Access
) -> None:
    exempting.set_exemptions(access=owner, serving=serving, exemptions={"egress"})
    services.update(access=member, serving=serving, changes={"cores": 2.0})
    exempting.set_exemptions(access=owner, serving=serving, exemptions=set())
    services.roll_back(access=owner, serving=serving, number=3)
    canaries.begin(access=owner, serving=serving, changes={"cores": 3.0}, percent=10)
    made = {each.number: each.exemptions for each in Revision.objects.all()}
    assert made == {1: [], 2: ["egress"], 3: ["egress"], 4: [], 5: [], 6: []}
    checked = Revision.objects.get(number=3).preflight
    assert checked is not None
    assert preflights.exemptions_of(checked) == {"egress"}


def test_what_is_tried_before_saving_has_the_exemptions_it_would_have(
    serving: Serving, owner: Access
) -> None:
    exempting.set_exemptions(access=owner, serving=serving, exemptions={"egress"})
    now = queries.serving(owner.project, "iris")
    tried = services.check(access=owner, serving=now, wanted=Settings(**vars(WANTED) | {"cores": 2.0}))
    assert preflights.exemptions_of(tried) == {"egress"}


def test_an_exemption_is_shown_while_a_container_has_it(serving: Serving, owner: Access) -> None:
    exempting.set_exemptions(access=owner, serving=serving, exemptions={"egress"})
    replica = Replica.objects.create(
        serving=serving, name="r2-0-1", revision=2, slot=0, attempt=1, deployer="docker"
    )
    exempting.set_exemptions(access=owner, serving=serving, exemptions={"root-user"})

    def shown() -> list[str]:
        found = queries.serving(owner.project, "iris")
        assert found.exemptions == ["root-user"]
        return found.exemption_labels

    assert shown() == ["Reaches other machines", "Runs as root"]
    Replica.objects.filter(pk=replica.pk).update(state=ReplicaState.EXITED)
    assert shown() == ["Runs as root"]
