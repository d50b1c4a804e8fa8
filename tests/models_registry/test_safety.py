"""Reports of a project's files, owners' approvals, and the policy that asks for both."""

import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import services as accounts
from accounts.models import AuditEntry, FilePolicy, Project, User
from models_registry import services as registry
from models_registry import storage
from models_registry.models import Approval, Blob, FileReport, ModelVersion
from models_registry.safety import policy, queries
from models_registry.safety import services as reports
from tests.conftest import People
from worker.scanning import tasks

HARMFUL = b"\x80\x04cposix\nsystem\n\x8c\x02id\x85R."
UNKNOWN_CODE = b"\x80\x04cmy_package.models\nNet\n)\x81."
ORDINARY = pickle.dumps({"weights": [1.0, 2.0]})


@pytest.fixture
def browser(people: People, browser_of: Callable[[User], Client]) -> Callable[[str], Client]:
    return lambda name: browser_of(getattr(people, name))


@pytest.fixture
def add(people: People) -> Callable[[str, bytes], Blob]:
    """Put a file under Resources/."""

    def save(path: str, data: bytes) -> Blob:
        blob = storage.receive([data])
        registry.save_file(access=people.access(people.alice), path=f"Resources/{path}", blob=blob)
        return blob

    return save


def url(sha256: str, action: str = "") -> str:
    return f"/api/projects/garden/reports/{sha256}/{action}"


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def set_policy(project: Project, wanted: FilePolicy) -> Project:
    Project.objects.filter(pk=project.pk).update(file_policy=wanted)
    project.refresh_from_db()
    return project


def test_a_file_that_comes_waits_and_is_scanned(api: APIClient, add: Callable[[str, bytes], Blob]) -> None:
    blob = add("model.pkl", HARMFUL)
    found = api.get(url(blob.sha256)).json()
    assert (found["state"], found["verdict"], found["path"]) == ("waiting", "", "Resources/model.pkl")
    tasks.scan()
    found = api.get(url(blob.sha256)).json()
    assert (found["state"], found["verdict"], found["kind"]) == ("done", "dangerous", "pickle")
    assert found["imports"] == ["posix.system"]
    assert found["findings"][0].keys() == {"severity", "sentence", "evidence"}
    assert found["scanner"].keys() >= {"fickling", "picklescan"}
    assert found["needs_approval"] is True


def test_the_files_of_a_version_say_what_they_are(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export()
    listed = api.get("/api/projects/garden/models/iris/versions/1/").json()["files"]
    assert [each["safety"]["state"] for each in listed] == ["waiting", "waiting"]
    tasks.scan()
    listed = api.get("/api/projects/garden/models/iris/versions/1/").json()["files"]
    assert {each["path"]: each["safety"]["kind"] for each in listed} == {
        "predictor.py": "Python source",
        "weights.txt": "text",
    }
    assert [each.label for each in queries.summary(ModelVersion.objects.get())] == [
        "with code",
        "in a safe format",
    ]


def test_the_same_bytes_are_scanned_once(add: Callable[[str, bytes], Blob]) -> None:
    add("a.pkl", ORDINARY)
    tasks.scan()
    first = FileReport.objects.get().scanned_at
    add("b.pkl", ORDINARY)
    tasks.scan()
    assert FileReport.objects.get().scanned_at == first


def test_a_sweep_finds_what_nobody_asked_for(add: Callable[[str, bytes], Blob]) -> None:
    blob = add("a.pkl", ORDINARY)
    FileReport.objects.all().delete()
    tasks.scan_missing()
    assert FileReport.objects.get().blob_id == blob.sha256


def test_a_lease_is_taken_once_and_free_again_when_it_has_run_out(add: Callable[[str, bytes], Blob]) -> None:
    add("a.pkl", ORDINARY)
    first = reports.claim()
    assert first is not None
    assert reports.claim() is None
    FileReport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    second = reports.claim()
    assert second is not None
    document = {"verdict": "safe", "kind": "x", "findings": [], "imports": []}
    assert not reports.store(sha256=first[0], token=first[1], document=document, scanner={})
    assert reports.store(sha256=second[0], token=second[1], document=document, scanner={})
    assert FileReport.objects.get().state == "done"


def test_no_more_than_a_few_files_are_scanned_at_once(add: Callable[[str, bytes], Blob]) -> None:
    for number in range(4):
        add(f"{number}.pkl", pickle.dumps(number))
    claimed = [reports.claim() for _ in range(4)]
    assert [each is not None for each in claimed] == [True, True, False, False]


def test_bytes_that_cannot_be_read_now_wait_a_little(add: Callable[[str, bytes], Blob]) -> None:
    blob = add("a.pkl", ORDINARY)
    with storage.open(blob.sha256) as file:
        kept = file.read()
    storage.storages["blobs"].delete(storage._name(blob.sha256))
    tasks.scan()
    found = FileReport.objects.get()
    assert (found.state, found.lease) == ("waiting", "")
    assert found.lease_until > timezone.now()
    storage.receive([kept])
    FileReport.objects.update(lease_until=timezone.now())
    tasks.scan()
    assert FileReport.objects.get().state == "done"


def test_strangers_and_other_projects_learn_nothing(
    add: Callable[[str, bytes], Blob], browser: Callable[[str], Client]
) -> None:
    blob = add("a.pkl", HARMFUL)
    assert browser("charlie").get(url(blob.sha256)).status_code == 404
    assert browser("charlie").get(f"/api/projects/elsewhere/reports/{blob.sha256}/").status_code == 404
    assert browser("vera").get(url(blob.sha256)).status_code == 200
    assert browser("vera").get(url("0" * 64)).status_code == 404
    assert browser("vera").get(url("nonsense")).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("vera", 403), ("charlie", 404)])
def test_only_owners_approve(
    add: Callable[[str, bytes], Blob], browser: Callable[[str], Client], who: str, status: int
) -> None:
    blob = add("a.pkl", HARMFUL)
    tasks.scan()
    assert post(browser(who), url(blob.sha256, "approve/"), reason="mine").status_code == status
    assert browser(who).delete(url(blob.sha256, "approve/")).status_code == status
    assert not Approval.objects.exists()


def test_an_approval_says_who_what_and_why_in_the_audit_trail(
    people: People, add: Callable[[str, bytes], Blob], browser: Callable[[str], Client]
) -> None:
    blob = add("a.pkl", HARMFUL)
    alice = browser("alice")
    assert (
        post(alice, url(blob.sha256, "approve/"), reason="too early").json()["error"]["code"] == "not_scanned"
    )
    tasks.scan()
    assert post(alice, url(blob.sha256, "approve/"), reason=" ").status_code == 400
    assert post(alice, url(blob.sha256, "approve/")).status_code == 400
    given = post(alice, url(blob.sha256, "approve/"), reason="Trained here").json()["approval"]
    assert (given["approved_by"], given["reason"]) == ("alice", "Trained here")
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.actor, entry.action, entry.target) == ("alice", "approve_file", "Resources/a.pkl")
    assert entry.detail == {"sha256": blob.sha256, "reason": "Trained here", "verdict": "dangerous"}
    assert alice.delete(url(blob.sha256, "approve/")).json()["approval"] is None
    assert AuditEntry.objects.filter(action="withdraw_approval").count() == 1
    assert alice.delete(url(blob.sha256, "approve/")).status_code == 200
    assert AuditEntry.objects.filter(action="withdraw_approval").count() == 1


@pytest.fixture
def three(add: Callable[[str, bytes], Blob]) -> Iterator[dict[str, Blob]]:
    """Scanned files: a harmful one, one of unknown code, one that is ordinary."""
    data = {"harmful": HARMFUL, "unknown": UNKNOWN_CODE, "ordinary": ORDINARY}
    blobs = {name: add(f"{name}.pkl", each) for name, each in data.items()}
    tasks.scan()
    return blobs


def refused(project: Project, *blobs: Blob) -> str:
    return policy.refusal(project, blobs) or ""


def test_a_project_that_warns_serves_everything(people: People, three: dict[str, Blob]) -> None:
    assert refused(people.project, *three.values()) == ""


def test_a_project_that_asks_for_approval_names_file_and_finding(
    people: People, three: dict[str, Blob]
) -> None:
    project = set_policy(people.project, FilePolicy.APPROVE)
    sentence = refused(project, *three.values())
    assert "Resources/harmful.pkl (dangerous: Loading it reaches for posix.system" in sentence
    assert "Resources/unknown.pkl (contains code: Loading it imports my_package.models.Net" in sentence
    assert "ordinary" not in sentence
    assert refused(project, three["ordinary"]) == ""
    for name in ("harmful", "unknown"):
        reports.approve(access=people.access(people.alice), sha256=three[name].sha256, reason="ours")
    assert refused(project, *three.values()) == ""
    reports.withdraw(access=people.access(people.alice), sha256=three["harmful"].sha256)
    assert "harmful" in refused(project, *three.values())


def test_a_project_that_blocks_blocks_whoever_approves(people: People, three: dict[str, Blob]) -> None:
    project = set_policy(people.project, FilePolicy.BLOCK)
    for blob in three.values():
        reports.approve(access=people.access(people.alice), sha256=blob.sha256, reason="ours")
    assert "blocks Resources/harmful.pkl" in refused(project, *three.values())
    assert refused(project, three["unknown"], three["ordinary"]) == ""


def test_an_approval_is_of_one_project_and_of_those_very_bytes(
    people: People, three: dict[str, Blob]
) -> None:
    other = accounts.create_project(name="orchard", owner=people.alice)
    set_policy(other, FilePolicy.APPROVE)
    reports.approve(access=people.access(people.alice), sha256=three["harmful"].sha256, reason="ours")
    assert refused(other, three["harmful"])


def test_what_is_not_scanned_yet_is_not_served_yet(people: People, add: Callable[[str, bytes], Blob]) -> None:
    project = set_policy(people.project, FilePolicy.BLOCK)
    blob = add("new.pkl", ORDINARY)
    assert "Resources/new.pkl is being scanned" in refused(project, blob)
    assert policy.is_waiting([blob])
    tasks.scan()
    assert refused(project, blob) == ""
    assert not policy.is_waiting([blob])


def test_what_waits_for_an_owner_is_listed_the_worst_first(
    api: APIClient, people: People, three: dict[str, Blob]
) -> None:
    listed = api.get("/api/projects/garden/reports/").json()["items"]
    assert [each["path"] for each in listed] == ["Resources/harmful.pkl", "Resources/unknown.pkl"]
    reports.approve(access=people.access(people.alice), sha256=three["harmful"].sha256, reason="ours")
    assert len(api.get("/api/projects/garden/reports/").json()["items"]) == 1


def test_a_report_can_be_made_anew(
    api: APIClient, browser: Callable[[str], Client], three: dict[str, Blob]
) -> None:
    sha256 = three["ordinary"].sha256
    assert browser("vera").post(url(sha256, "scan/")).status_code == 403
    answer = api.post(url(sha256, "scan/"))
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    tasks.scan()
    assert api.get(url(sha256)).json()["state"] == "done"


SETTINGS = "/api/projects/garden/settings/"


def test_owners_set_policy_and_quota_and_the_audit_trail_has_it(browser: Callable[[str], Client]) -> None:
    alice = browser("alice")
    assert alice.get(SETTINGS).json() == {"file_policy": "warn", "quota_mb": None}
    changed = alice.patch(SETTINGS, {"file_policy": "block"}, content_type="application/json")
    assert changed.json() == {"file_policy": "block", "quota_mb": None}
    alice.patch(SETTINGS, {"quota_mb": 100}, content_type="application/json")
    entries = AuditEntry.objects.filter(action="change_settings").order_by("id")
    assert [each.detail for each in entries] == [
        {"file_policy": "warn → block"},
        {"quota_mb": "None → 100"},
    ]
    alice.patch(SETTINGS, {"quota_mb": 100}, content_type="application/json")
    assert entries.count() == 2


@pytest.mark.parametrize(
    "body",
    [
        {"file_policy": "maybe"},
        {"quota_mb": -1},
        {"quota_mb": "much"},
        {"quota_mb": 2**70},
        {"file_policy": None},
    ],
)
def test_settings_that_make_no_sense_are_refused(
    browser: Callable[[str], Client], body: dict[str, Any]
) -> None:
    assert browser("alice").patch(SETTINGS, body, content_type="application/json").status_code == 400


def test_a_project_gets_no_more_than_the_installation_grants(
    browser: Callable[[str], Client], settings: Any
) -> None:
    settings.PROJECT_QUOTA_MB = 50
    for quota in (51, 0):
        answer = browser("alice").patch(SETTINGS, {"quota_mb": quota}, content_type="application/json")
        assert "at most 50 MB" in answer.json()["error"]["message"]
    assert (
        browser("alice").patch(SETTINGS, {"quota_mb": 50}, content_type="application/json").status_code == 200
    )


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("vera", 403), ("charlie", 404)])
def test_others_neither_see_nor_change_the_settings(
    browser: Callable[[str], Client], who: str, status: int
) -> None:
    assert browser(who).get(SETTINGS).status_code == status
    body = {"file_policy": "block"}
    assert browser(who).patch(SETTINGS, body, content_type="application/json").status_code == status
    assert Project.objects.get(name="garden").file_policy == "warn"
