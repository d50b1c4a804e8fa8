"""Scaling, the pace of updates, canaries, exemptions, and where replicas run."""

import re
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.access import Access
from accounts.models import AuditEntry
from models_registry.models import ModelVersion
from serving import canaries, queries
from serving.models import InferenceRecord, Replica, Serving
from serving.states import ReplicaState
from tests.pages.conftest import HTMX, SCRIPT, Pages

OVERVIEW = "servings/Iris/"


def now(serving: Serving) -> Serving:
    return queries.serving(serving.project, serving.name)


def replica(serving: Serving, name: str, state: ReplicaState, **facts: object) -> Replica:
    revision, slot, attempt = map(int, name.removeprefix("r").split("-"))
    return Replica.objects.create(
        serving=serving, name=name, revision=revision, slot=slot, attempt=attempt, state=state, **facts
    )


def test_calls_that_a_replica_could_not_record_stand_beside_it(running: Serving, bob: Pages) -> None:
    Replica.objects.update(log_counts={"sent": 9, "dropped": 0})
    assert b"not recorded" not in bob.get(OVERVIEW).content
    Replica.objects.update(log_counts={"sent": 9, "dropped": 1200})
    assert b"1,200 calls not recorded" in bob.get(OVERVIEW).content


@pytest.fixture
def with_canary(running: Serving, owner: Access) -> Serving:
    return canaries.begin(access=owner, serving=running, changes={"cores": 2.0}, percent=10)


def test_a_serving_is_scaled_without_a_revision(running: Serving, bob: Pages) -> None:
    assert (
        'value="1"' in re.findall(r'<input[^>]*name="replicas"[^>]*>', bob.get(OVERVIEW).content.decode())[0]
    )
    content = bob.post("servings/Iris/scale/", {"replicas": "4"}, follow=True).content.decode()
    assert "Iris is scaled to 4 replicas." in content
    assert "4 (scaled by hand; the revision says 1)" in content
    assert (now(running).wanted_replicas, now(running).current.number) == (4, 1)
    assert b"Scaled from 1 to 4" in bob.get("servings/Iris/history/").content


@pytest.mark.parametrize("replicas", ["0", "x", "", "-3", "100000", "9" * 50])
def test_a_number_that_cannot_be_is_refused_with_a_sentence(
    running: Serving, bob: Pages, replicas: str
) -> None:
    response = bob.post("servings/Iris/scale/", {"replicas": replicas}, follow=True)
    assert b"message--error" in response.content
    assert now(running).wanted_replicas == 1


def test_the_pace_of_updates_is_set_and_told(serving: Serving, bob: Pages) -> None:
    assert b"A whole second set of replicas at once" in bob.get(OVERVIEW).content
    content = bob.post("servings/Iris/pace/", {"surge": "2", "pace_seconds": "5"}, follow=True).content
    assert b"At most 2 replicas more than wanted at a time, 5 s after each that is ready" in content
    refused = bob.post("servings/Iris/pace/", {"surge": "2", "pace_seconds": "-1"}, follow=True).content
    assert b"Wait after each (seconds): Ensure this value is greater than or equal to 0." in refused


def test_each_replica_says_where_it_runs_and_what_it_may_use(running: Serving, vera: Pages) -> None:
    replica(running, "r1-1-1", ReplicaState.READY, deployer="docker", place="container 4f2a")
    content = vera.get(OVERVIEW).content.decode()
    assert '<span class="tag">docker</span> container 4f2a' in content
    assert "1 core, 1024 MB" in content
    assert "Cores are not enforced" in content


def test_the_place_is_chosen_where_there_are_several(
    running: Serving, bob: Pages, settings: LazySettings
) -> None:
    assert b'name="deployer"' not in bob.get("servings/Iris/edit/").content
    settings.DEPLOYERS = ["local", "docker"]
    form = bob.get("servings/Iris/edit/").content.decode()
    assert "Containers of one Docker engine" in form
    assert "Docker Swarm" not in form
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "deployer": "docker", "expected_revision": "1"})
    assert now(running).current.deployer == "docker"
    assert b"enforced by the Docker engine" in bob.get(OVERVIEW).content
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "deployer": "", "expected_revision": "2"})
    assert now(running).current.deployer == ""


def test_an_edit_is_tried_as_a_canary_then_promoted(running: Serving, bob: Pages, vera: Pages) -> None:
    assert b"Save as canary" in bob.get("servings/Iris/edit/").content
    edit = {"script": SCRIPT, "cores": "2", "expected_revision": "1", "canary": "1", "canary_percent": "25"}
    content = bob.post("servings/Iris/edit/", edit, follow=True).content.decode()
    assert "Saved as revision 2, the canary: it gets 25 % of the requests once it is ready" in content
    assert (now(running).current.number, now(running).canary_percent) == (1, 25)
    assert "canary 25 %" in vera.get("servings/").content.decode()
    assert b"Promote" not in vera.get(OVERVIEW).content
    assert b"Save as canary" not in bob.get("servings/Iris/edit/").content
    content = bob.post("servings/Iris/canary/", {"percent": "50"}, follow=True).content.decode()
    assert '<strong class="canary__percent number">50 %</strong>' in content
    bob.post("servings/Iris/canary/promote/")
    assert (now(running).current.number, now(running).canary) == (2, None)


@pytest.mark.parametrize(
    ("percent", "sentence"),
    [("", "Say how many percent"), ("101", "less than or equal to 100"), ("x", "Enter a whole number")],
)
def test_a_part_that_cannot_be_is_refused_beside_its_field(
    running: Serving, bob: Pages, percent: str, sentence: str
) -> None:
    edit = {"script": SCRIPT, "cores": "2", "canary": "1", "canary_percent": percent}
    response = bob.post("servings/Iris/edit/", edit)
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert now(running).canary is None


def test_a_canary_that_changes_nothing_is_refused(running: Serving, bob: Pages) -> None:
    edit = {"script": SCRIPT, "canary": "1", "canary_percent": "10"}
    assert b"A canary needs something" in bob.post("servings/Iris/edit/", edit).content


def test_the_current_revision_is_not_edited_beside_a_canary(with_canary: Serving, bob: Pages) -> None:
    assert b"nothing of the current revision can be changed" in bob.get("servings/Iris/edit/").content
    response = bob.post("servings/Iris/edit/", {"script": SCRIPT, "cores": "3"})
    assert response.status_code == 400
    assert now(with_canary).current.number == 1


def test_withdrawing_a_canary_is_asked_about(with_canary: Serving, bob: Pages) -> None:
    assert b"Withdraw revision 2 of Iris?" in bob.get("servings/Iris/canary/withdraw/").content
    content = bob.post("servings/Iris/canary/withdraw/", follow=True).content
    assert b"The canary is withdrawn" in content
    assert now(with_canary).canary is None
    assert b"Iris has no canary" in bob.get("servings/Iris/canary/withdraw/").content
    for late in ("withdraw/", "promote/"):
        assert b"Iris has no canary" in bob.post(f"servings/Iris/canary/{late}", follow=True).content


def test_a_canary_shows_its_replicas_and_calls_beside_the_current_ones(
    with_canary: Serving, vera: Pages
) -> None:
    replica(with_canary, "r2-0-1", ReplicaState.STARTING)
    for number, (revision, status) in enumerate([(1, 200), (1, 200), (2, 200), (2, 500)]):
        InferenceRecord.objects.create(
            request_id=str(number),
            serving=with_canary,
            revision=revision,
            replica=f"r{revision}-0-1",
            verb="predict",
            status=status,
            requested_at=timezone.now(),
            duration_us=1,
        )
    content = vera.get(OVERVIEW).content.decode()
    assert "0 of 1 replica ready" in content
    assert "until then revision 1 answers all of them" in content
    assert "0 of 1 ready, 1 starting" in content
    polled = vera.get("servings/Iris/canary/", headers=HTMX).content.decode()
    assert "<html" not in polled
    for part in (content, polled):
        found = re.findall(r'data-label="(?:Calls|Errors)" class="number">(\d+)<', part)
        assert found == ["2", "0", "2", "1"]


def test_a_failed_canary_says_why_and_who_answers(with_canary: Serving, bob: Pages) -> None:
    failure = {"code": "ScriptImportFailed", "reason": "No module <x>.", "evidence": "", "attempt": 3}
    Serving.objects.filter(pk=with_canary.pk).update(canary_failure=failure)
    content = bob.get(OVERVIEW).content.decode()
    assert "No module &lt;x&gt;." in content
    assert "revision 1 answers all of them" in content
    assert "Promote</button>" not in content
    assert "canary 10 %, failed" in bob.get("servings/").content.decode()


def test_an_update_shows_how_far_each_revision_is(
    running: Serving, bob: Pages, export: Callable[..., ModelVersion]
) -> None:
    assert b"Update under way" not in bob.get(OVERVIEW).content
    bob.post("servings/Iris/edit/", {"script": SCRIPT, "cores": "2", "replicas": "2"})
    replica(running, "r2-0-1", ReplicaState.READY)
    replica(running, "r2-1-1", ReplicaState.STARTING)
    content = bob.get(OVERVIEW).content.decode()
    assert "Update under way" in content
    assert "1 of 2 ready, 1 starting" in content
    assert '<progress value="1" max="2" aria-label="Ready replicas of revision 2">' in content
    assert '<progress value="1" max="1" aria-label="Ready replicas of revision 1">' in content


def test_a_member_who_would_leave_the_containers_is_told_who_may(
    running: Serving, bob: Pages, settings: LazySettings
) -> None:
    settings.DEPLOYER, settings.DEPLOYERS = "docker", ["docker", "local"]
    form = {"script": SCRIPT, "deployer": "local", "expected_revision": "1"}
    for button in ({}, {"check": "1"}, {"canary": "1", "canary_percent": "5"}):
        answer = bob.post("servings/Iris/edit/", form | button)
        assert b"Only an owner may have replicas run as processes of this machine" in answer.content
    assert now(running).current.number == 1


def test_an_exemption_is_asked_about_twice_and_shown_everywhere(
    running: Serving, alice: Pages, vera: Pages
) -> None:
    form = alice.get("servings/Iris/exemptions/").content.decode()
    assert "reach other machines and the internet" in form
    assert "which are not hardened" in form
    asked = alice.post("servings/Iris/exemptions/", {"exemptions": ["egress"]}).content.decode()
    assert "Let the containers of Iris do this?" in asked
    assert now(running).exemptions == []
    said = {"exemptions": ["egress"], "confirmed": "1"}
    assert (
        b"Iris has these exemptions now" in alice.post("servings/Iris/exemptions/", said, follow=True).content
    )
    assert now(running).exemptions == ["egress"]
    for path in ("servings/", OVERVIEW):
        assert (
            '<span class="tag tag--exempt">Reaches other machines</span>' in vera.get(path).content.decode()
        )
    assert AuditEntry.objects.filter(action="set_exemptions", target="Iris").count() == 1
    assert b"set_exemptions" in alice.get("audit/").content


def test_taking_an_exemption_back_needs_no_second_word(running: Serving, alice: Pages) -> None:
    alice.post("servings/Iris/exemptions/", {"exemptions": ["egress", "root-user"], "confirmed": "1"})
    alice.post("servings/Iris/exemptions/", {"exemptions": ["egress"]})
    assert now(running).exemptions == ["egress"]


def test_an_exemption_that_there_is_not_is_refused(running: Serving, alice: Pages) -> None:
    response = alice.post("servings/Iris/exemptions/", {"exemptions": ["host"], "confirmed": "1"})
    assert b"host is not one of the available choices" in response.content
    assert now(running).exemptions == []


@pytest.mark.parametrize(
    ("deployer", "network", "is_said"),
    [
        ("swarm", "published", True),
        ("swarm", "attached", False),
        ("docker", "published", False),
        ("local", "published", False),
    ],
)
def test_the_page_says_where_containers_are_not_kept_from_other_machines(
    deployer: str, network: str, is_said: bool, running: Serving, alice: Pages, settings: LazySettings
) -> None:
    settings.DEPLOYER, settings.SWARM_NETWORK = deployer, network
    for path in (OVERVIEW, f"{OVERVIEW}exemptions/"):
        page = alice.get(path).content.decode()
        assert ("with this exemption or without it" in page) == is_said, path
