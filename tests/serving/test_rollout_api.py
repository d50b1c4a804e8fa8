"""Scale, pace, canaries and exemptions over REST, and every way to get them wrong."""

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import ApiKey, AuditEntry, Scope
from models_registry.models import ModelVersion
from serving import exempting, preflights, queries, services, traffic
from serving.models import Replica, Revision, Serving
from serving.states import ReplicaState
from tests.conftest import People

SERVINGS = "/api/projects/garden/servings/"
IRIS = f"{SERVINGS}iris/"
SCRIPT = "Models/iris/1/predictor.py"


@pytest.fixture(autouse=True)
def _serving(api: APIClient, export: Callable[..., ModelVersion]) -> None:
    export()
    assert api.post(SERVINGS, {"name": "iris", "script": SCRIPT}, format="json").status_code == 201


@pytest.fixture
def owners(people: People, key_of: Callable[..., tuple[ApiKey, str]]) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"ApiKey {key_of(people.alice, tuple(Scope))[1]}")
    return client


def refused(answer: object, status: int, code: str, words: str) -> None:
    said = answer.json()["error"]  # type: ignore[attr-defined]
    assert (answer.status_code, said["code"]) == (status, code), said  # type: ignore[attr-defined]
    assert words in said["message"]


def texts(api: APIClient) -> list[str]:
    return [each["text"] for each in api.get(f"{IRIS}events/").json()["items"]]


def lives(serving: Serving, revision: int, slot: int = 0, **columns: object) -> Replica:
    given = {"state": ReplicaState.READY, "address": f"127.0.0.1:{revision}{slot}", "attempt": 1} | columns
    return Replica.objects.create(
        serving=serving, name=f"r{revision}-{slot}-1", revision=revision, slot=slot, **given
    )


def test_scaling_makes_no_revision_and_is_kept_for_the_next_start(api: APIClient) -> None:
    shown = api.post(f"{IRIS}scale/", {"replicas": 4}, format="json").json()
    assert (shown["replicas"], shown["scale"], shown["wanted_replicas"], shown["revision"]) == (4, 4, 0, 1)
    assert api.post(f"{IRIS}start/").json()["wanted_replicas"] == 4
    assert api.post(f"{IRIS}scale/", {"replicas": 1}, format="json").json()["wanted_replicas"] == 1
    assert texts(api)[::-1][1:] == ["Scaled from 1 to 4", "Asked to run 4 replicas", "Scaled from 4 to 1"]
    assert Revision.objects.count() == 1


@pytest.mark.parametrize("replicas", [0, -1, 17])
def test_a_number_beyond_the_installation_is_refused(replicas: int, api: APIClient) -> None:
    answer = api.post(f"{IRIS}scale/", {"replicas": replicas}, format="json")
    refused(answer, 400, "refused", f"between 1 and 16 here, not {replicas}")
    assert answer.json()["error"]["fields"]["replicas"]


@pytest.mark.parametrize("body", [{}, {"replicas": "many"}, {"replicas": None}, []])
def test_a_number_that_is_none_is_refused(body: object, api: APIClient) -> None:
    assert api.post(f"{IRIS}scale/", body, format="json").status_code == 400


def test_an_edit_of_the_number_alone_scales(api: APIClient) -> None:
    api.post(f"{IRIS}start/")
    shown = api.patch(IRIS, {"replicas": 3}, format="json").json()
    assert (shown["revision"], shown["replicas"], shown["scale"], shown["wanted_replicas"]) == (1, 3, 3, 3)


def test_a_scaled_number_outlives_an_edit_that_says_nothing_of_it(api: APIClient) -> None:
    api.post(f"{IRIS}scale/", {"replicas": 4}, format="json")
    shown = api.patch(IRIS, {"resources": {"cores": 2.0}}, format="json").json()
    assert (shown["revision"], shown["replicas"], shown["scale"]) == (2, 4, 4)
    assert Revision.objects.get(number=2).replicas == 1
    shown = api.patch(IRIS, {"resources": {"cores": 1.0}, "replicas": 2}, format="json").json()
    assert (shown["revision"], shown["replicas"], shown["scale"]) == (3, 2, None)


def test_a_roll_back_runs_the_number_of_that_revision(api: APIClient) -> None:
    api.post(f"{IRIS}scale/", {"replicas": 4}, format="json")
    shown = api.post(f"{IRIS}revisions/1/rollback/").json()
    assert (shown["revision"], shown["replicas"], shown["scale"]) == (2, 1, None)


def test_surge_and_pace_are_set_one_by_one(api: APIClient) -> None:
    shown = api.patch(f"{IRIS}pace/", {"surge": 2}, format="json").json()
    assert (shown["surge"], shown["pace_seconds"], shown["revision"]) == (2, 0, 1)
    shown = api.patch(f"{IRIS}pace/", {"pace_seconds": 30}, format="json").json()
    assert (shown["surge"], shown["pace_seconds"]) == (2, 30)
    assert texts(api)[0] == "Updates run at most 2 more, 30 s after each that is ready"


@pytest.mark.parametrize("pace", [{"surge": -1}, {"surge": 17}, {"pace_seconds": -1}, {"pace_seconds": 3601}])
def test_a_pace_nobody_can_keep_is_refused(pace: dict[str, int], api: APIClient) -> None:
    refused(api.patch(f"{IRIS}pace/", pace, format="json"), 400, "refused", "must be between")


def begin(api: APIClient, percent: int = 10, **changes: object) -> dict:
    changes = changes or {"resources": {"cores": 2.0}}
    answer = api.post(f"{IRIS}canary/", {"percent": percent} | changes, format="json")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def test_a_canary_is_a_revision_beside_the_current_one(api: APIClient) -> None:
    shown = begin(api)
    assert shown["revision"] == 1
    assert shown["canary"] == {
        "revision": 2,
        "percent": 10,
        "replicas": 1,
        "replicas_ready": 0,
        "failure": None,
    }
    assert texts(api)[0] == "Revision 2 gets 10 % of the requests: changed cores"
    assert api.patch(f"{IRIS}canary/", {"percent": 50}, format="json").json()["canary"]["percent"] == 50
    shown = api.post(f"{IRIS}canary/promote/").json()
    assert (shown["revision"], shown["canary"], shown["resources"]["cores"]) == (2, None, 2.0)


def test_a_withdrawn_canary_leaves_the_current_revision_as_it_was(api: APIClient) -> None:
    begin(api)
    shown = api.delete(f"{IRIS}canary/").json()
    assert (shown["revision"], shown["canary"]) == (1, None)
    assert begin(api)["canary"]["revision"] == 3


def test_a_promoted_canary_runs_no_fewer_replicas_than_ran_before(api: APIClient) -> None:
    api.post(f"{IRIS}start/")
    api.post(f"{IRIS}scale/", {"replicas": 4}, format="json")
    assert begin(api)["canary"]["replicas"] == 1
    assert api.post(f"{IRIS}canary/promote/").json()["wanted_replicas"] == 4
    begin(api, resources={"cores": 1.0}, replicas=6)
    shown = api.post(f"{IRIS}canary/promote/").json()
    assert (shown["wanted_replicas"], shown["scale"]) == (6, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"percent": 101, "resources": {"cores": 2.0}}, "between 0 and 100 %"),
        ({"percent": -1, "resources": {"cores": 2.0}}, "between 0 and 100 %"),
        ({"percent": 5}, "needs something that revision 1 has not"),
        ({"percent": 5, "replicas": 3}, "needs something that revision 1 has not"),
        ({"percent": 5, "description": "new"}, "description is changed by an edit"),
        ({"percent": 5, "name": "other"}, "keeps its name"),
        ({"percent": 5, "script": "Models/iris/9/x.py"}, "Models/iris/9"),
        ({"resources": {"cores": 2.0}}, "how many percent"),
        ({"percent": "half", "resources": {"cores": 2.0}}, "integer"),
    ],
)
def test_a_canary_that_cannot_be_is_refused(body: dict[str, object], words: str, api: APIClient) -> None:
    refused(api.post(f"{IRIS}canary/", body, format="json"), 400, _code(words), words)
    assert Revision.objects.count() == 1


def _code(words: str) -> str:
    return "invalid" if words in ("how many percent", "integer") else "refused"


def test_the_current_revision_does_not_change_under_a_canary(api: APIClient, owners: APIClient) -> None:
    begin(api)
    said = "Revision 2 of iris is a canary with 10 % of the requests; promote or withdraw it first."
    for answer in (
        api.patch(IRIS, {"resources": {"cores": 0.5}}, format="json"),
        api.post(f"{IRIS}revisions/1/rollback/"),
        api.post(f"{IRIS}canary/", {"percent": 5, "resources": {"cores": 0.5}}, format="json"),
        owners.put(f"{IRIS}exemptions/", {"exemptions": ["egress"]}, format="json"),
    ):
        refused(answer, 409, "canary_running", said)
    assert api.post(f"{IRIS}scale/", {"replicas": 2}, format="json").json()["replicas"] == 2
    assert api.patch(IRIS, {"description": "words"}, format="json").json()["description"] == "words"


def test_the_second_of_two_who_begin_is_told_who_was_faster(api: APIClient) -> None:
    api.patch(IRIS, {"resources": {"cores": 0.5}}, format="json")
    body = {"percent": 5, "resources": {"cores": 2.0}, "expected_revision": 1}
    refused(
        api.post(f"{IRIS}canary/", body, format="json"), 409, "edited_meanwhile", "while you were editing"
    )


def test_without_a_canary_there_is_nothing_to_promote_or_withdraw(api: APIClient) -> None:
    for answer in (
        api.patch(f"{IRIS}canary/", {"percent": 5}, format="json"),
        api.post(f"{IRIS}canary/promote/"),
        api.delete(f"{IRIS}canary/"),
    ):
        refused(answer, 404, "no_canary", "iris has no canary")


def test_a_canary_that_failed_is_not_promoted(api: APIClient) -> None:
    begin(api)
    failure = {"code": "LoadFailed", "reason": "It has no licence.", "evidence": "", "attempt": 1}
    Serving.objects.update(canary_failure=failure)
    assert api.get(IRIS).json()["canary"]["failure"] == failure
    refused(api.post(f"{IRIS}canary/promote/"), 400, "refused", "has failed: It has no licence.")


@pytest.fixture
def with_canary(api: APIClient, owner: Access) -> Serving:
    """Revision 1 is good, and 2 the canary with 10 %."""
    services.start(access=owner, serving=queries.serving(owner.project, "iris"))
    begin(api)
    Serving.objects.update(good_revision=1)
    return queries.serving(owner.project, "iris")


def parts(serving: Serving) -> list[tuple[int, list[int], bool]]:
    found = traffic.routes(queries.serving(serving.project, serving.name))
    return [(r.percent, [t.revision for t in r.targets], r.is_canary) for r in found]


def test_the_requests_are_split_as_the_canary_says(with_canary: Serving) -> None:
    lives(with_canary, 1)
    lives(with_canary, 1, 1)
    assert parts(with_canary) == [(100, [1, 1], False)]
    lives(with_canary, 2)
    assert parts(with_canary) == [(90, [1, 1], False), (10, [2], True)]
    shown = queries.serving(with_canary.project, "iris")
    assert (shown.replicas_ready, shown.canary_ready) == (2, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("percent", [0, 1, 7, 10, 33, 50, 99, 100])
def test_of_ten_thousand_requests_the_canary_gets_its_percentage_exactly(percent: int) -> None:
    chosen = [traffic.chooses_canary(number, percent) for number in range(10_000)]
    assert sum(chosen) == percent * 100


def test_a_canary_that_failed_or_lost_its_replicas_gets_nothing(with_canary: Serving) -> None:
    lives(with_canary, 1)
    replica = lives(with_canary, 2)
    Serving.objects.update(canary_failure={"reason": "It crashes."})
    assert parts(with_canary) == [(100, [1], False)]
    Serving.objects.update(canary_failure=None)
    Replica.objects.filter(pk=replica.pk).update(state=ReplicaState.STOPPING)
    assert parts(with_canary) == [(100, [1], False)]


def test_a_canary_answers_everything_where_nothing_else_does(with_canary: Serving) -> None:
    lives(with_canary, 2)
    assert parts(with_canary) == [(100, [2], True)]


def test_a_whole_second_set_answers_once_it_is_there_and_a_surge_at_once(owner: Access) -> None:
    serving = queries.serving(owner.project, "iris")
    services.start(access=owner, serving=serving)
    services.update(access=owner, serving=serving, changes={"cores": 2.0})
    Serving.objects.update(good_revision=1)
    lives(serving, 1)
    lives(serving, 2)
    assert parts(serving) == [(100, [1], False)]
    Serving.objects.update(surge=1)
    assert parts(serving) == [(100, [2, 1], False)]
    Serving.objects.update(surge=0, good_revision=2)
    assert parts(serving) == [(100, [2], False)]


def test_an_owner_exempts_a_serving_and_that_is_audited(owners: APIClient, api: APIClient) -> None:
    api.post(f"{IRIS}start/")
    put = {"exemptions": ["writable-root", "egress", "egress"]}
    shown = owners.put(f"{IRIS}exemptions/", put, format="json").json()
    assert shown["exemptions"] == ["egress", "writable-root"]
    assert (shown["revision"], shown["wanted_replicas"]) == (2, 1), "running replicas are replaced"
    assert texts(api)[0] == "Exempted from hardening: reaches other machines, writes to its root file system"
    entry = AuditEntry.objects.get(action="set_exemptions")
    assert (entry.actor, entry.target) == ("alice", "iris")
    assert entry.detail == {"before": [], "after": ["egress", "writable-root"]}
    assert owners.put(f"{IRIS}exemptions/", put, format="json").json()["revision"] == 2, "twice is once"
    assert owners.put(f"{IRIS}exemptions/", {"exemptions": []}, format="json").json()["exemptions"] == []


def test_an_exempted_serving_is_checked_anew_with_what_its_containers_may_do(owners: APIClient) -> None:
    before = Serving.objects.get().current.preflight
    shown = owners.put(f"{IRIS}exemptions/", {"exemptions": ["root-user"]}, format="json").json()
    assert (shown["exemptions"], shown["revision"]) == (["root-user"], 2)
    after = Serving.objects.get().current.preflight
    assert preflights.exemptions_of(before) == set()
    assert preflights.exemptions_of(after) == {"root-user"}
    assert preflights.revision_of(after).deployer == "local"


@pytest.mark.parametrize(
    "body", [{}, {"exemptions": "egress"}, {"exemptions": ["socket"]}, {"exemptions": [1]}]
)
def test_an_exemption_that_is_none_is_refused(body: object, owners: APIClient) -> None:
    assert owners.put(f"{IRIS}exemptions/", body, format="json").status_code == 400


def test_nobody_but_an_owner_exempts(api: APIClient, people: People) -> None:
    assert api.put(f"{IRIS}exemptions/", {"exemptions": ["egress"]}, format="json").status_code == 403
    serving = queries.serving(people.project, "iris")
    with pytest.raises(PermissionDenied, match="Only an owner"):
        exempting.set_exemptions(access=people.access(people.bob), serving=serving, exemptions={"egress"})
    assert Serving.objects.get().exemptions == []


def test_a_place_that_this_installation_has_not_is_refused(api: APIClient, settings) -> None:
    settings.DEPLOYERS = ["local", "docker"]
    answer = api.patch(IRIS, {"deployer": "swarm"}, format="json")
    refused(answer, 400, "refused", "Replicas cannot run at 'swarm' here, but at: local, docker.")
    assert api.patch(IRIS, {"deployer": "docker"}, format="json").json()["deployer"] == "docker"
    assert api.patch(IRIS, {"deployer": None}, format="json").json()["deployer"] == ""
