"""A person at the browser: export, create, run, predict, edit, watch it fail, mend it, stop, delete."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import Platform
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
SUMS = """class Predict:
    def __init__(self):
        print("weights are", open("data/weights.txt").read())

    def predict(self, inputs):
        return [sum(row) for row in inputs]
"""
BROKEN = "class Prediction:\n    pass\n"
SLOW = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        if os.environ.get("HOPYARD_REQUIRE_ALL"):
            pytest.fail("no chromium here; tests/setup.sh installs it")
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def sign_in(platform: Platform, browser: Browser, **options: bool) -> Page:
    page = browser.new_context(base_url=platform.url, **options).new_page()  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(platform.password)
    page.get_by_role("button", name="Sign in").click()
    return page


@pytest.fixture
def page(platform: Platform, browser: Browser) -> Iterator[Page]:
    page = sign_in(platform, browser)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda said: problems.append(f"{said.text} {said.location}") if said.type == "error" else None,
    )
    yield page
    page.context.close()
    assert not problems


def export(page: Page, folder: Path, script: str) -> None:
    """Export a folder with a script and a file in a folder below it."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "weights.txt").write_text("1 2 3")
    (folder / "meadow_sums.py").write_text(script)
    page.goto("/projects/demo/export/")
    page.get_by_label("Name", exact=True).fill("meadow")
    page.get_by_label("Folder").set_input_files(folder)
    page.get_by_role("button", name="Export").click()
    page.wait_for_url(re.compile(r"/models/meadow/[0-9]+/$"))


def badge(page: Page) -> object:
    return page.locator("#live .badge").first


def test_the_whole_story_in_the_browser(page: Page, tmp_path: Path) -> None:
    export(page, tmp_path / "v1", SUMS)
    expect(page.get_by_role("link", name="data/weights.txt", exact=True)).to_be_visible()

    page.goto("/projects/demo/new-serving/")
    page.get_by_label("Script", exact=True).select_option("Models/meadow/1/meadow_sums.py")
    expect(page.get_by_label("Serving name")).to_have_value("meadowsums")
    expect(page.get_by_label("Model version")).to_have_value("1")
    page.get_by_role("button", name="Create serving").click()

    page.goto("/projects/demo/servings/meadowsums/")
    page.get_by_role("button", name="Run").click()
    expect(badge(page)).to_have_text("Running", timeout=SLOW)
    expect(page.get_by_text("1 of 1 replica ready")).to_be_visible()

    page.get_by_label("Request body").fill('{"instances": [[1, 2], [3, 4]]}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text(re.compile(r"3,\s*7"))

    page.get_by_role("link", name="V2 infer").click()
    expect(page.get_by_label("Request body")).to_have_value(re.compile('"datatype"'))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text('"output-0"')

    page.get_by_role("link", name="Logs", exact=True).click()
    expect(page.get_by_text("weights are 1 2 3")).to_be_visible()

    page.goto("/projects/demo/servings/meadowsums/edit/")
    page.get_by_text("Advanced").click()
    page.get_by_label("Replicas", exact=True).fill("2")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/projects/demo/servings/meadowsums/")
    expect(page.get_by_text("2 of 2 replicas ready")).to_be_visible(timeout=SLOW)

    page.get_by_role("button", name="Stop").click()
    expect(badge(page)).to_have_text("Stopped", timeout=SLOW)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/projects/demo/topics/")
    topic = page.locator("a", has_text="meadowsums-inf").first.get_attribute("href")
    serving = "servings/meadowsums/"
    own = ("", "calls/", "calls/?where=in.a+%3D+1", "edit/", "logs/", "history/")
    places = [serving + each for each in own] + ["servings/", "new-serving/", "models/", "models/meadow/1/"]
    places += ["export/", "topics/", "new-topic/", "resources/", "keys/", "members/", "audit/", "settings/"]
    wide = []
    for address in [str(topic), *(f"/projects/demo/{each}" for each in places)]:
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok, address
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(address)
    assert wide == []


def test_what_was_unfolded_stays_so_while_the_page_follows(page: Page) -> None:
    page.goto("/projects/demo/servings/meadowsums/")
    page.locator("#ask summary", has_text="gRPC").click()
    expect(page.locator("#ask-grpc-port")).to_be_visible()
    expect(page.locator("#ask-v1-path")).to_be_hidden()
    other = page.context.new_page()
    other.goto("/projects/demo/servings/meadowsums/")
    other.get_by_role("button", name="Run").click()
    expect(badge(page)).to_have_text("Running", timeout=SLOW)
    expect(page.locator("#ask-grpc-port")).to_be_visible()
    other.get_by_role("button", name="Stop").click()
    expect(badge(page)).to_have_text("Stopped", timeout=SLOW)


def test_a_broken_script_shows_why_and_is_mended_by_an_edit(page: Page, tmp_path: Path) -> None:
    export(page, tmp_path / "v2", BROKEN)
    page.goto("/projects/demo/servings/meadowsums/edit/")
    page.get_by_label("Script", exact=True).select_option("Models/meadow/2/meadow_sums.py")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/projects/demo/servings/meadowsums/")
    page.get_by_role("button", name="Run").click()
    expect(badge(page)).to_have_text("Failed", timeout=SLOW)
    expect(page.get_by_role("alert")).to_contain_text("ClassMissing")
    expect(page.get_by_role("alert")).to_contain_text("Prediction")

    page.goto("/projects/demo/servings/meadowsums/history/")
    page.get_by_role("button", name="Roll back to revision 1").click()
    page.goto("/projects/demo/servings/meadowsums/")
    expect(badge(page)).to_have_text("Running", timeout=SLOW)


def test_the_list_follows_without_a_reload_and_filters(page: Page) -> None:
    page.goto("/projects/demo/servings/")
    row = page.get_by_role("row", name=re.compile("meadowsums"))
    expect(row).to_contain_text("Running")
    page.evaluate("window.stayed = true")
    other = page.context.new_page()
    other.goto("/projects/demo/servings/meadowsums/")
    other.get_by_role("button", name="Stop").click()
    expect(row).to_contain_text("Stopped", timeout=SLOW)
    assert page.evaluate("window.stayed")
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_everything_works_without_script(platform: Platform, browser: Browser) -> None:
    page = sign_in(platform, browser, java_script_enabled=False)
    page.goto("/projects/demo/new-serving/")
    page.get_by_label("Script", exact=True).select_option("Models/meadow/1/meadow_sums.py")
    page.get_by_label("Serving name").fill("plain")
    page.get_by_role("button", name="Create serving").click()
    page.goto("/projects/demo/servings/plain/")
    page.get_by_role("button", name="Run").click()
    for _ in range(100):
        page.reload()
        if "Running" in badge(page).inner_text():
            break
    page.goto("/projects/demo/servings/plain/try/")
    page.get_by_label("Request body").fill('{"instances": [[20, 22]]}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text("42")
    page.goto("/projects/demo/servings/plain/delete/")
    page.get_by_role("button", name=re.compile("Delete")).click()
    page.goto("/projects/demo/servings/")
    expect(page.get_by_role("row", name=re.compile("plain"))).to_have_count(0)
    page.context.close()


def test_a_key_made_on_its_page_predicts(page: Page) -> None:
    page.goto("/projects/demo/servings/meadowsums/")
    page.get_by_role("button", name="Run").click()
    expect(badge(page)).to_have_text("Running", timeout=SLOW)
    url = page.locator("#path-url").inner_text().strip()
    page.goto("/projects/demo/keys/")
    page.get_by_label("Name").fill("from the browser")
    page.get_by_role("button", name="Make the key").click()
    key = re.search(r"hop_\w{12}_\w{40}", page.content())
    assert key is not None
    page.reload()
    assert key[0] not in page.content(), "a key is shown once"
    headers = {"Authorization": f"ApiKey {key[0]}"}

    def asked() -> object:
        """What is answered once the proxy has been told of the key."""
        answer = page.request.post(url, data=json.dumps({"inputs": [[40, 2]]}), headers=headers)
        return answer.json() if answer.status != 401 else None

    assert eventually(asked, seconds=10) == {"predictions": [42]}
    page.goto("/projects/demo/servings/meadowsums/")
    page.get_by_role("button", name="Stop").click()
    expect(badge(page)).to_have_text("Stopped", timeout=SLOW)
