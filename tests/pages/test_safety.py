"""The pages of safety reports, of approvals and of a project's settings."""

from collections.abc import Callable

import pytest

from accounts.access import Access
from accounts.models import FilePolicy, Project
from models_registry import services as registry
from models_registry import storage
from models_registry.models import Approval, FileReport, ModelVersion
from tests.pages.conftest import Pages
from tests.pages.test_markup import Markup
from worker.scanning import tasks

HARMFUL = b"\x80\x04cposix\nsystem\n\x8c\x02id\x85R."


@pytest.fixture
def harmful(owner: Access) -> str:
    """A scanned file that is dangerous; its sha256."""
    blob = storage.receive([HARMFUL])
    registry.save_file(access=owner, path="Resources/model.pkl", blob=blob)
    tasks.scan()
    return blob.sha256


def test_a_verdict_stands_beside_every_file(version: ModelVersion, harmful: str, vera: Pages) -> None:
    shown = vera.get("models/iris/1/").content.decode()
    assert "Contains code" in shown
    assert "Safe format" in shown
    assert "1 with code" in shown
    assert f"/projects/garden/safety/{harmful}/" in vera.get("resources/").content.decode()


def test_a_file_that_waits_says_so(version: ModelVersion, vera: Pages) -> None:
    assert "Being scanned" in vera.get("models/iris/1/").content.decode()
    sha256 = FileReport.objects.first().pk  # type: ignore[union-attr]
    page = vera.get(f"safety/{sha256}/")
    assert "is being looked at" in page.content.decode()
    assert Markup(page.content.decode()).faults == []


def test_a_report_says_what_it_means_and_what_to_do(harmful: str, vera: Pages) -> None:
    page = vera.get(f"safety/{harmful}/")
    shown = page.content.decode()
    assert "Resources/model.pkl" in shown
    assert "reaches for posix.system" in shown
    assert "Do not load it anywhere" in shown
    assert "This project only warns" in shown
    assert "An owner of the project can approve it here" in shown
    markup = Markup(shown)
    assert (markup.faults, markup.headings) == ([], 1)


@pytest.mark.parametrize("path", ["safety/", "resources/"])
def test_pages_without_files_are_whole(vera: Pages, path: str) -> None:
    assert vera.get(path).status_code == 200


def test_an_owner_approves_and_withdraws_on_the_page(harmful: str, alice: Pages) -> None:
    listed = alice.get("safety/").content.decode()
    assert listed.index("To be looked at") < listed.index("Resources/model.pkl")
    empty = alice.post(f"safety/{harmful}/approve/", {"reason": " "})
    assert empty.status_code == 400
    assert b'class="errorlist"' in empty.content
    answer = alice.post(f"safety/{harmful}/approve/", {"reason": "Trained by us"}, follow=True)
    assert b"is approved for garden" in answer.content
    assert b"Trained by us" in alice.get("safety/").content
    assert b"Trained by us" in alice.get("audit/").content
    alice.post(f"safety/{harmful}/withdraw/")
    assert not Approval.objects.exists()


def test_others_see_no_form_and_may_not_send_one(
    harmful: str, bob: Pages, vera: Pages, pages: Callable[[str], Pages]
) -> None:
    for person in (bob, vera):
        assert f"safety/{harmful}/approve/" not in person.get(f"safety/{harmful}/").content.decode()
        assert person.post(f"safety/{harmful}/approve/", {"reason": "x"}).status_code == 403
    assert vera.post(f"safety/{harmful}/scan/").status_code == 403
    assert bob.post(f"safety/{harmful}/scan/").status_code == 302
    assert pages("charlie").get(f"safety/{harmful}/").status_code == 404


def test_an_unknown_file_is_a_sentence(version: ModelVersion, alice: Pages) -> None:
    answer = alice.get(f"safety/{'0' * 64}/")
    assert answer.status_code == 404
    assert b"has the sha256" in answer.content


def test_what_a_file_says_of_itself_is_never_markup(owner: Access, vera: Pages) -> None:
    blob = storage.receive([b"PK\x03\x04<script>alert(1)</script>" + bytes(40)])
    registry.save_file(access=owner, path="Resources/<b>x.zip", blob=blob)
    tasks.scan()
    shown = vera.get(f"safety/{blob.sha256}/").content.decode()
    assert "<script>alert" not in shown
    assert "<b>x.zip" not in shown


def test_an_owner_changes_the_settings(alice: Pages, bob: Pages) -> None:
    assert b"Settings" in alice.get("safety/").content
    assert bob.get("settings/").status_code == 403
    assert bob.post("settings/", {"file_policy": "block"}).status_code == 403
    answer = alice.post("settings/", {"file_policy": "approve", "quota_mb": "200"}, follow=True)
    assert b"The settings are saved" in answer.content
    project = Project.objects.get(name="garden")
    assert (project.file_policy, project.quota_mb) == (FilePolicy.APPROVE, 200)
    alice.post("settings/", {"file_policy": "warn", "quota_mb": ""})
    project.refresh_from_db()
    assert (project.file_policy, project.quota_mb) == (FilePolicy.WARN, None)


@pytest.mark.parametrize("fields", [{"file_policy": "maybe"}, {"file_policy": "warn", "quota_mb": "-3"}, {}])
def test_wrong_settings_come_back_with_a_sentence(alice: Pages, fields: dict[str, str]) -> None:
    answer = alice.post("settings/", fields)
    assert answer.status_code == 400
    assert b'class="errorlist"' in answer.content
