"""The pages of environments, and the live build on a serving's page."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import services
from serving.environments import images, service
from serving.models import Environment, Image, Interpreter, Resolution, Revision, Serving
from serving.settings import Settings
from tests.pages.conftest import HTMX, SCRIPT, Pages
from tests.pages.test_markup import Markup

LOCK = f"six==1.16.0 \\\n    --hash=sha256:{'a' * 64}\n"


@pytest.fixture
def serving(owner: Access, version: ModelVersion) -> Serving:
    wanted = Settings(name="Iris", script=SCRIPT, requirements="six==1.16.0")
    return services.create(access=owner, wanted=wanted)[0]


@pytest.fixture
def environment(serving: Serving) -> Environment:
    made = service.of_lock(serving.current.resolution.python, LOCK)
    Resolution.objects.update(environment=made, state=Resolution.State.DONE)
    serving.revisions.update(environment=made)
    Environment.objects.update(state="ready", log="Resolved 1 package\n + six==1.16.0\n", build_seconds=2.5)
    made.refresh_from_db()
    return made


@pytest.fixture
def path(environment: Environment) -> str:
    return f"environments/{environment.key[:12]}/"


def test_the_list_says_what_is_built_for_whom(environment: Environment, vera: Pages) -> None:
    Interpreter.objects.create(version="3.12", full_version="3.12.1", path="/usr/bin/python3.12")
    content = vera.get("environments/").content.decode()
    for words in (environment.key[:12], "in 2.5 s", ">Iris</a>", "Ready", "Python 3.12.1"):
        assert words in content
    assert "/usr/bin/python3.12" not in content


def test_a_longer_list_takes_no_more_queries(environment: Environment, owner: Access, bob: Pages) -> None:
    counts = []
    for name in ("two", "three", "four", "five"):
        wanted = Settings(name=name, script=SCRIPT, requirements=f"six # {name}\niniconfig")
        other, _ = services.create(access=owner, wanted=wanted)
        other.revisions.update(environment=service.of_lock("3.11", f"{LOCK}# {name}\n"))
        with CaptureQueriesContext(connection) as queries_made:
            content = bob.get("environments/").content.decode()
        assert f">{name}</a>" in content
        counts.append(len(queries_made))
    assert (content.count('id="environment-'), len(set(counts))) == (5, 1)


def test_an_empty_list_says_where_environments_come_from(alice: Pages) -> None:
    assert b"No environments yet" in alice.get("environments/").content


def test_the_page_shows_the_lock_and_the_log(environment: Environment, path: str, vera: Pages) -> None:
    content = vera.get(path).content.decode()
    for words in ("six", "1.16.0", "1 file by SHA-256", "+ six==1.16.0", environment.key):
        assert words in content


@pytest.mark.parametrize("page", ["environments/", None])
def test_the_pages_keep_to_the_policy(path: str, page: str | None, alice: Pages) -> None:
    markup = Markup(alice.get(page or path).content.decode())
    assert (markup.faults, markup.headings) == ([], 1)
    assert len(markup.ids) == len(set(markup.ids))


@pytest.mark.parametrize("page", ["environments/", None])
def test_a_poll_gets_304_until_something_changes(path: str, page: str | None, bob: Pages) -> None:
    page = page or path
    first = bob.get(page, headers=HTMX)
    assert b"<html" not in first.content
    tag = first["HX-PTag"]
    assert bob.get(page, headers=HTMX | {"HX-PTag": tag}).status_code == 304
    failure = {"code": "EnvironmentCorrupt", "reason": "six.py has other bytes.", "evidence": ""}
    Environment.objects.update(failure=failure, state="failed")
    changed = bob.get(page, headers=HTMX | {"HX-PTag": tag})
    assert (changed.status_code, b"six.py has other bytes." in changed.content) == (200, True)


def test_buttons_are_for_those_who_may_write(path: str, bob: Pages, vera: Pages) -> None:
    for verb in ("verify", "rebuild"):
        assert f"/{verb}/" in bob.get(path).content.decode()
        assert f"/{verb}/" not in vera.get(path).content.decode()
        assert vera.post(f"{path}{verb}/").status_code == 403
        assert bob.post(f"{path}{verb}/")["Location"] == f"/projects/garden/{path}"
    assert Environment.objects.get().state == Environment.State.WAITING


def test_a_button_that_makes_no_sense_says_why(path: str, bob: Pages) -> None:
    Environment.objects.update(state="building")
    answer = bob.post(f"{path}rebuild/", follow=True)
    assert b"wait for the end" in answer.content


def test_the_platforms_own_packages_cannot_be_rebuilt_here(
    owner: Access, version: ModelVersion, bob: Pages
) -> None:
    services.create(access=owner, wanted=Settings(name="Plain", script=SCRIPT))
    own = Environment.objects.get()
    content = bob.get(f"environments/{own.key[:12]}/").content.decode()
    assert "The platform’s own" in content
    assert "/rebuild/" not in content
    answer = bob.post(f"environments/{own.key[:12]}/rebuild/", follow=True)
    assert b"make setup" in answer.content


def test_a_build_is_followed_live_on_the_servings_page(serving: Serving, bob: Pages) -> None:
    url = "servings/Iris/build/"
    first = bob.get(url, headers=HTMX)
    assert "Resolving the requirements" in first.content.decode()
    tag = first["HX-PTag"]
    assert bob.get(url, headers=HTMX | {"HX-PTag": tag}).status_code == 304
    Resolution.objects.update(state="resolving", log="six==1.16.0\n")
    assert b"six==1.16.0" in bob.get(url, headers=HTMX | {"HX-PTag": tag}).content
    assert bob.get(url)["Location"] == "/projects/garden/servings/Iris/"


def test_a_finished_build_is_no_longer_shown(environment: Environment, bob: Pages) -> None:
    content = bob.get("servings/Iris/build/", headers=HTMX).content.decode()
    assert "hx-get" not in content
    assert 'id="build"' in content


def test_a_failed_resolution_has_its_words_and_can_be_tried_again(
    serving: Serving, bob: Pages, vera: Pages
) -> None:
    failure = {"code": "PackageNotFound", "reason": "There is no package x.", "evidence": "No solution <x>"}
    Resolution.objects.update(state="failed", failure=failure, log="No solution <x>\n")
    content = bob.get("servings/Iris/build/", headers=HTMX).content.decode()
    assert "There is no package x." in content
    assert content.count("No solution &lt;x&gt;") == 1
    assert "serving-build-log" not in content
    assert "build/again/" not in vera.get("servings/Iris/build/", headers=HTMX).content.decode()
    assert vera.post("servings/Iris/build/again/").status_code == 403
    bob.post("servings/Iris/build/again/")
    assert Resolution.objects.get().state == Resolution.State.WAITING
    assert b"nothing to try again" in bob.post("servings/Iris/build/again/", follow=True).content


def test_a_pin_is_one_click_for_those_who_may_write(
    environment: Environment, bob: Pages, vera: Pages
) -> None:
    Environment.objects.update(lock=LOCK.replace("six==1.16.0", "scikit-learn==1.9.1"))
    ModelVersion.objects.update(packages={"scikit-learn": "1.5.0"})
    assert b"Pin scikit-learn==1.5.0" in bob.get("servings/Iris/").content
    assert b"Pin scikit-learn" not in vera.get("servings/Iris/").content
    assert vera.post("servings/Iris/pin/").status_code == 403
    assert bob.post("servings/Iris/pin/", {"package": "scikit-learn"}).status_code == 302
    assert Serving.objects.get().current.requirements == "six==1.16.0\nscikit-learn==1.5.0"
    assert b"nothing was changed" in bob.post("servings/Iris/pin/", {"package": "numpy"}, follow=True).content


def test_an_environment_nobody_here_uses_is_not_found(
    environment: Environment, pages: Callable[[str], Pages]
) -> None:
    assert pages("alice").get("environments/0123456789ab/").status_code == 404
    assert pages("alice").get("environments/x/").status_code == 404
    assert pages("charlie").get("environments/").status_code == 404


@pytest.fixture
def image(environment: Environment) -> Image:
    """As the worker has it while it builds for a container."""
    Revision.objects.update(deployer="docker")
    Environment.objects.update(state="waiting", log="", build_seconds=None, package_count=40)
    return Image.objects.create(
        environment=environment,
        base="b" * 64,
        reference="hopyard/environment:x-y",
        state="building",
        log=f"{images.PACKAGES}\nFetched 12 packages\n",
    )


def test_the_build_of_an_image_is_followed_live_on_both_pages(image: Image, path: str, bob: Pages) -> None:
    for page, lead in (("servings/Iris/build/", "Building"), (path, "building")):
        first = bob.get(page, headers=HTMX)
        assert f"{lead} the image: 12 of 40 packages" in first.content.decode()
        assert "Fetched 12 packages" in first.content.decode()
        tag = first["HX-PTag"]
        assert bob.get(page, headers=HTMX | {"HX-PTag": tag}).status_code == 304
        Image.objects.update(log=f"{image.log}Fetched 13 packages\n")
        changed = bob.get(page, headers=HTMX | {"HX-PTag": tag}).content.decode()
        assert "13 of 40 packages" in changed
        Image.objects.update(log=image.log)


def test_a_built_image_is_shown_with_its_name_size_and_time(image: Image, path: str, vera: Pages) -> None:
    Image.objects.update(
        state="ready", size_bytes=770_000_000, build_seconds=61.5, image_id="sha256:" + "c" * 64
    )
    content = vera.get(path).content.decode()
    for words in ("hopyard/environment:x-y", "734.3", "in 61.5 s", "sha256:ccc", "Ready"):
        assert words in content
    listed = vera.get("environments/").content.decode()
    assert ("Ready" in listed, "Waiting" in listed) == (True, False)
    markup = Markup(content)
    assert (markup.faults, markup.headings) == ([], 1)
    assert len(markup.ids) == len(set(markup.ids))
    assert 'id="build" hidden' in vera.get("servings/Iris/build/", headers=HTMX).content.decode()


def test_an_image_that_failed_has_its_words_and_can_be_tried_again(
    image: Image, path: str, bob: Pages
) -> None:
    failure = {"code": "HashMismatch", "reason": "A file has another hash.", "evidence": "six <x>"}
    Image.objects.update(state="failed", failure=failure)
    assert "A file has another hash." in bob.get(path).content.decode()
    assert "A file has another hash." in bob.get("servings/Iris/build/", headers=HTMX).content.decode()
    bob.post("servings/Iris/build/again/")
    assert Image.objects.get().state == Image.State.WAITING


def test_rebuilding_means_the_image_where_nothing_else_was_built(image: Image, path: str, bob: Pages) -> None:
    answer = bob.post(f"{path}rebuild/", follow=True)
    assert b"is being built; wait for the end" in answer.content
    Image.objects.update(state="ready")
    bob.post(f"{path}rebuild/")
    assert Image.objects.get().state == Image.State.WAITING
    assert Environment.objects.get().state == Environment.State.WAITING


def test_the_api_gives_images_and_their_logs(image: Image, path: str, api: APIClient) -> None:
    url = f"/api/projects/garden/{path}"
    listed = api.get("/api/projects/garden/environments/").json()["items"][0]["images"][0]
    assert (listed["reference"], listed["state"], "log" in listed) == (image.reference, "building", False)
    assert api.get(url).json()["images"][0]["log"] == image.log
