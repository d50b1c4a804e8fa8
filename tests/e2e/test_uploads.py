"""Large uploads from the browser and the Python client: progress, pause, reload, refusal, interruption."""

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from hopyard import Client
from hopyard.client import sending
from tests.e2e.conftest import Platform
from tests.e2e.test_browser import SLOW, browser, sign_in
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

__all__ = ["browser"]  # a fixture
MB = 1024 * 1024
BIG = random.Random(11).randbytes(34 * MB)
CHUNKS = 5
PROJECT = "/api/projects/demo"


@pytest.fixture
def page(platform: Platform, browser: Browser) -> Iterator[Page]:
    page = sign_in(platform, browser)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.context.close()
    assert not faults


@pytest.fixture
def api(page: Page, platform: Platform) -> Iterator[httpx.Client]:
    """The API as the person at the browser."""
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    with httpx.Client(base_url=f"{platform.url}{PROJECT}/", cookies=cookies) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a script, an empty file, and a large one in a folder below."""
    (tmp_path / "lake" / "data").mkdir(parents=True)
    (tmp_path / "lake" / "data" / "weights.bin").write_bytes(BIG)
    (tmp_path / "lake" / "lake.py").write_text("class Predict: ...")
    (tmp_path / "lake" / "__init__.py").touch()
    return tmp_path / "lake"


def export(page: Page, name: str, folder: Path) -> None:
    page.goto("/projects/demo/export/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Folder").set_input_files(folder)
    page.get_by_role("button", name="Export").click()


def sent_chunks(page: Page) -> list[str]:
    """The addresses of chunks that go out from now on."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if "/chunks/" in request.url:
            sent.append(request.url)

    page.on("request", note)
    return sent


def hold_after(page: Page, count: int) -> None:
    """Let `count` chunks through; those after them get no answer."""
    let_through: list[Route] = []

    def route(route: Route) -> None:
        if len(let_through) < count:
            let_through.append(route)
            route.continue_()

    page.route("**/chunks/*/", route)


def wait_for_two_chunks(page: Page) -> None:
    bar = page.get_by_role("progressbar", name="All files")
    eventually(lambda: bar.evaluate("bar => bar.value") > 0.4)


def digests(api: httpx.Client, model: str, version: int = 1) -> dict[str, str]:
    files = api.get(f"models/{model}/versions/{version}/").raise_for_status().json()["files"]
    return {file["path"]: file["sha256"] for file in files}


def test_a_folder_goes_in_chunks_and_becomes_a_version(page: Page, api: httpx.Client, folder: Path) -> None:
    sent = sent_chunks(page)
    export(page, "lake", folder)
    expect(page).to_have_url(re.compile("/models/lake/1/$"), timeout=SLOW)
    assert len(sent) == CHUNKS
    assert digests(api, "lake") == {
        "data/weights.bin": hashlib.sha256(BIG).hexdigest(),
        "lake.py": hashlib.sha256(b"class Predict: ...").hexdigest(),
        "__init__.py": hashlib.sha256(b"").hexdigest(),
    }


def test_a_paused_upload_goes_on(page: Page, api: httpx.Client, folder: Path) -> None:
    hold_after(page, 2)
    export(page, "pond", folder)
    bar = page.get_by_role("progressbar", name="All files")
    expect(page.locator("[data-upload-amount]")).to_contain_text(" of 34.0 MB")
    expect(bar).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused.")).to_be_visible()
    page.unroute("**/chunks/*/")
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(re.compile("/models/pond/1/$"), timeout=SLOW)
    assert digests(api, "pond")["data/weights.bin"] == hashlib.sha256(BIG).hexdigest()


def test_after_a_reload_the_same_files_go_on_where_they_stopped(
    page: Page, api: httpx.Client, folder: Path
) -> None:
    hold_after(page, 2)
    export(page, "river", folder)
    expect(page.locator(".upload__file--done")).to_have_count(2, timeout=SLOW)
    wait_for_two_chunks(page)
    page.reload()
    expect(page.get_by_text("The upload of river was interrupted")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("river")
    page.unroute("**/chunks/*/")
    sent = sent_chunks(page)
    page.get_by_label("Folder").set_input_files(folder)
    page.get_by_role("button", name="Export").click()
    expect(page).to_have_url(re.compile("/models/river/1/$"), timeout=SLOW)
    assert 0 < len(sent) <= CHUNKS - 2
    assert digests(api, "river")["data/weights.bin"] == hashlib.sha256(BIG).hexdigest()
    page.goto("/projects/demo/export/")
    expect(page.get_by_text("was interrupted")).to_have_count(0)


def test_another_file_of_the_same_name_and_size_is_not_mixed_with_the_first(
    page: Page, api: httpx.Client, folder: Path
) -> None:
    hold_after(page, 2)
    export(page, "delta", folder)
    wait_for_two_chunks(page)
    page.reload()
    page.unroute("**/chunks/*/")
    changed = BIG[::-1]
    (folder / "data" / "weights.bin").write_bytes(changed)
    page.get_by_label("Folder").set_input_files(folder)
    page.get_by_role("button", name="Export").click()
    expect(page).to_have_url(re.compile("/models/delta/1/$"), timeout=SLOW)
    assert digests(api, "delta")["data/weights.bin"] == hashlib.sha256(changed).hexdigest()


def test_a_refusal_is_told_beside_its_field_and_the_files_stay_chosen(page: Page, folder: Path) -> None:
    (folder / "data" / "weights.bin").write_bytes(b"small")
    for _ in range(2):
        page.goto("/projects/demo/export/")
        page.get_by_label("Name", exact=True).fill("brook")
        page.get_by_role("spinbutton", name="Version").fill("7")
        page.get_by_label("Folder").set_input_files(folder)
        page.get_by_role("button", name="Export").click()
        expect(page.locator(".field--wrong, .facts").first).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("alert")).to_contain_text("brook version 7 exists")
    expect(page.locator(".field--wrong label")).to_contain_text("Version")
    page.get_by_role("spinbutton", name="Version").fill("8")
    page.get_by_label("Metrics").fill("accuracy 3")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("alert")).to_contain_text("Write “accuracy 3” as name=value.")
    page.get_by_label("Metrics").fill("accuracy=0.97\nkind=knn")
    page.get_by_role("button", name="Export").click()
    expect(page).to_have_url(re.compile("/models/brook/8/$"), timeout=SLOW)
    expect(page.get_by_text("0.97")).to_be_visible()


def test_a_cancelled_upload_leaves_nothing(page: Page, api: httpx.Client, folder: Path) -> None:
    hold_after(page, 2)
    export(page, "marsh", folder)
    wait_for_two_chunks(page)
    assert len(api.get("models/marsh/uploads/").json()["items"]) == 1
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Export")).to_be_enabled()
    expect(page.locator("#uploading")).to_be_hidden()
    assert api.get("models/marsh/uploads/").json()["items"] == []


def test_a_large_resource_survives_a_lost_connection(page: Page, api: httpx.Client, folder: Path) -> None:
    page.clock.install()
    page.goto("/projects/demo/resources/")
    page.route("**/chunks/*/", lambda route: route.abort())
    page.locator("input[type=file]").set_input_files(folder / "data" / "weights.bin")
    page.get_by_label("Into").fill("water")
    page.get_by_role("button", name="Upload").click()
    told = page.get_by_text("The platform cannot be reached. What arrived is kept.")
    eventually(lambda: page.clock.run_for(1000) or told.is_visible())
    page.unroute("**/chunks/*/")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("row", name="Resources/water/weights.bin")).to_be_visible(timeout=SLOW)
    stored = api.get("files/", params={"prefix": "Resources/water/"}).json()["items"]
    assert stored[0]["sha256"] == hashlib.sha256(BIG).hexdigest()


def test_a_cancelled_resource_is_dropped(page: Page, api: httpx.Client, folder: Path) -> None:
    hold_after(page, 2)
    page.goto("/projects/demo/resources/")
    page.locator("input[type=file]").set_input_files(folder / "data" / "weights.bin")
    page.get_by_role("button", name="Upload").click()
    wait_for_two_chunks(page)
    page.get_by_role("button", name="Pause").click()
    with page.expect_response(re.compile("/incoming/[0-9a-f-]+/$")) as dropped:
        page.get_by_role("button", name="Cancel").click()
    assert (dropped.value.request.method, dropped.value.status) == ("DELETE", 204)
    expect(page.locator("#uploading")).to_be_hidden()
    assert api.get(dropped.value.url).status_code == 404


def test_without_script_the_plain_form_uploads(platform: Platform, browser: Browser, folder: Path) -> None:
    page = sign_in(platform, browser, java_script_enabled=False)
    page.goto("/projects/demo/resources/")
    page.locator("input[type=file]").set_input_files(folder / "lake.py")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Kept Resources/lake.py.")).to_be_visible()
    page.context.close()


def test_the_hash_for_plain_http_is_the_browsers_own(page: Page) -> None:
    page.goto("/projects/demo/resources/")
    differing = page.evaluate(
        """async () => {
          const { compute } = await import("/static/js/sha256.js");
          const hex = (buffer) => [...new Uint8Array(buffer)].join();
          const wrong = [];
          for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 100003]) {
            const data = Uint8Array.from({ length }, (_, at) => at * 7).buffer;
            const own = await crypto.subtle.digest("SHA-256", data);
            if (hex(own) !== hex(compute(data))) wrong.push(length);
          }
          return wrong;
        }"""
    )
    assert differing == []


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    said = {"username": "admin", "password": platform.password, "project": "demo", "name": "uploads"}
    key = httpx.post(f"{platform.url}/api/login/", json=said).raise_for_status().json()["key"]
    with Client(platform.url, key, "demo") as client:
        yield client


def breaking(monkeypatch: pytest.MonkeyPatch, client: Client, after: int) -> Callable[[], int]:
    """The network breaks after some chunks; tells how many went through in all."""
    put, sent = client._transport.put_bytes, []

    def put_bytes(*given: Any) -> None:
        if len(sent) == after:
            raise KeyboardInterrupt
        sent.append(given[0])
        put(*given)

    monkeypatch.setattr(client._transport, "put_bytes", put_bytes)
    return lambda: len(sent)


def test_the_python_client_goes_on_after_an_interruption(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        breaking(patch, client, 2)
        with pytest.raises(KeyboardInterrupt):
            client.models.export(folder, "creek", resume=True)
    with monkeypatch.context() as patch:
        count = breaking(patch, client, 99)
        seen: list[tuple[int, int]] = []
        made = client.models.export(folder, "creek", resume=True, on_progress=lambda *step: seen.append(step))
    assert 0 < count() <= CHUNKS - 2
    assert seen == sorted(seen)
    assert seen[-1] == (len(BIG) + 18, len(BIG) + 18)
    assert {file.path: file.sha256 for file in made.files}["data/weights.bin"] == hashlib.sha256(
        BIG
    ).hexdigest()
    assert sending.IN_FLIGHT == 3
